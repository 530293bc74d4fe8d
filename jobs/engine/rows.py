"""Guarded and bulk writes. Every update of an owned step names the state and the fence it comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models

from jobs.models import Step
from jobs.states import MOVES, State

PLAIN = frozenset({int, type(None)})  # the same in every database, whatever the field


def still_ours(fences: dict[int, int], state: State) -> dict[int, Step]:
    """Those of the steps {id: fence} that are in this state under this fence, locked in the order of their ids.

    Fewer than asked for is an answer: the others belong to somebody else by now, so stop working on them.
    """
    steps = Step.objects.select_for_update(of=("self",)).filter(pk__in=fences, state=state).order_by("pk")
    # One row for each batch, however many steps; and what is wanted is long, and not needed to settle.
    narrow = steps.defer("want", "links").prefetch_related("batch")
    return {step.pk: step for step in narrow if step.fence == fences[step.pk]}


def move(steps: Iterable[Step], *, frm: State, to: State, **changes: Any) -> int:
    """Moves steps that are ours; returns how many. `changes` are the same for all."""
    if to not in MOVES[frm]:
        raise AssertionError(f"A step cannot go from {frm} to {to}.")
    by_fence: dict[int, list[int]] = defaultdict(list)
    for step in steps:
        by_fence[step.fence].append(step.pk)
    return sum(
        Step.objects.filter(pk__in=ids, state=frm, fence=fence).update(state=to, **changes)
        for fence, ids in by_fence.items()
    )


def update_each(model: type[models.Model], names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """One UPDATE a row with values of its own: (value, …, primary key). A CASE over all rows is far slower."""
    key: Any = model._meta.pk
    sets = ", ".join(f"{column} = %s" for column in _columns(model, names))
    _execute_many(model, f"UPDATE {_quoted(model)} SET {sets} WHERE {key.column} = %s", (*names, key.name), rows)


def insert_rows(model: type[models.Model], names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts rows of (value, …); bulk_create takes four times as long, most of it to compile its statement."""
    columns, marks = ", ".join(_columns(model, names)), ", ".join(["%s"] * len(names))
    _execute_many(model, f"INSERT INTO {_quoted(model)} ({columns}) VALUES ({marks})", names, rows)  # noqa: S608


def _execute_many(model: type[models.Model], sql: str, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    here = connections[DEFAULT_DB_ALIAS]  # not the proxy: it is asked for every value
    prepare = [field.get_db_prep_save for field in fields]
    values = [
        tuple(value if type(value) in PLAIN else prep(value, here) for prep, value in zip(prepare, row, strict=True))
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(sql, values)


def _columns(model: type[models.Model], names: Sequence[str]) -> list[str]:
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    return [connection.ops.quote_name(field.column) for field in fields]


def _quoted(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)
