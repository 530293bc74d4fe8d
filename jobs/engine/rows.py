"""Guarded and bulk writes. Every update of an owned step names the state and the fence it comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models

from jobs.models import Step
from jobs.states import MOVES, State


def still_ours(fences: dict[int, int], state: State) -> dict[int, Step]:
    """Those of the steps {id: fence} that are in this state under this fence, locked in the order of their ids.

    Fewer than asked for is an answer: the others belong to somebody else by now, so stop working on them.
    """
    steps = Step.objects.select_for_update(of=("self",)).select_related("batch").filter(pk__in=fences, state=state)
    return {step.pk: step for step in steps.order_by("pk") if step.fence == fences[step.pk]}


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
    if not rows:
        return
    columns: list[Any] = [model._meta.get_field(name) for name in names]
    key: Any = model._meta.pk
    quote = connection.ops.quote_name
    sets = ", ".join(f"{quote(column.column)} = %s" for column in columns)
    sql = f"UPDATE {quote(model._meta.db_table)} SET {sets} WHERE {quote(key.column)} = %s"  # noqa: S608
    prepared = [
        (
            *(column.get_db_prep_save(value, connection) for column, value in zip(columns, row, strict=False)),
            row[-1],
        )
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(sql, prepared)
