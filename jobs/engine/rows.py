"""Guarded and bulk writes. Every update of an owned step names the state and the fence it comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from random import uniform
from time import sleep
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, connection, models, transaction

from jobs.models import Step
from jobs.states import MOVES, State

P = ParamSpec("P")
R = TypeVar("R")
TRIES = 5


def atomically(function: Callable[P, R]) -> Callable[P, R]:
    """The whole function in one transaction; a deadlock or a busy database runs it again, five times at most."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, TRIES + 1):
            try:
                with transaction.atomic():
                    return function(*args, **kwargs)
            except OperationalError:
                if attempt == TRIES or connection.in_atomic_block:
                    raise
                sleep(uniform(0, 0.05 * 2**attempt))
        raise AssertionError("not reached")

    return run


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
