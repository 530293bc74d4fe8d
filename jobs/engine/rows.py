"""Guarded and bulk writes. Every update of an owned step names the state and the fence it comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import models, router
from django.db.models import F, Func, QuerySet
from django.db.models.base import ModelState
from django.db.models.lookups import Exact

from jobs.many_rows import JsonText as JsonText
from jobs.many_rows import insert_rows as insert_rows
from jobs.many_rows import update_each as update_each
from jobs.models import Batch, Step
from jobs.prepared import change, question
from jobs.states import MOVES, State
from providers.models import Lane, Offer, Price, Provider

M = TypeVar("M", bound=models.Model)
STEP_FIELDS = (
    "id",
    "fence",
    "state",
    "stage",
    "round",
    "wanted",
    "video_id",
    "scene_id",
    "batch_id",
    "provider_id",
    "failures",
    "crash_count",
    "cancel_asked",
)


def light(
    model: type[M],
    names: Sequence[str],
    found: Iterable[Sequence[Any]],
    related: Mapping[str, Callable[[list[Any]], Iterable[Any]]] | None = None,
) -> list[M]:
    """Instances with these columns only, from rows of values; the others are read when asked for.

    `related` names foreign keys with the questions that answer which rows have such keys. QuerySet.only() makes the
    same; but it, prefetching and Model.__init__ take ten times as long.
    """
    made, database = [], router.db_for_read(model)
    for values in found:
        row = model.__new__(model)
        row.__dict__.update(zip(names, values, strict=True))
        row._state = state = ModelState()
        state.adding, state.db = False, database
        made.append(row)
    for name, ask in (related or {}).items():
        column = f"{name}_id"
        by_key = {other.pk: other for other in ask(sorted({row.__dict__[column] for row in made} - {None}))}
        for row in made:
            row._state.fields_cache[name] = by_key.get(row.__dict__[column])
    return made


class _NotSought(Func):
    """A column of text that is looked at in each row, not sought in an index."""

    template = "%(expressions)s"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="(%(expressions)s || '')", **context)


def in_state(ids: Any, state: Any) -> QuerySet[Step]:
    """Those of the steps that are in this state, found by their keys.

    Databases guess that few rows are in one state: told no more, they walk through all of them to find a hundred keys.
    """
    return Step.objects.filter(Exact(_NotSought("state"), state), pk__in=ids)


def still_ours(fences: dict[int, int], state: State) -> dict[int, Step]:
    """Those of the steps {id: fence} that are in this state under this fence, locked in the order of their ids.

    Fewer than asked for is an answer: the others belong to somebody else by now, so stop working on them.
    """
    found = light(Step, STEP_FIELDS, _in_state(list(fences), state), {"batch": _light_batches})
    return {step.pk: step for step in found if step.fence == fences[step.pk]}


def move(steps: Iterable[Step], *, frm: State, to: State, survived: bool = False, **changes: Any) -> int:
    """Moves steps that are ours; returns how many. `changes` are values, the same for all. `survived`: it is one crash
    less, which was counted in advance."""
    if to not in MOVES[frm]:
        raise AssertionError(f"A step cannot go from {frm} to {to}.")
    by_fence: dict[int, list[int]] = defaultdict(list)
    for step in steps:
        by_fence[step.fence].append(step.pk)
    told = {name: value for name, value in changes.items() if value is not None}
    how = {"names": tuple(told), "empty": tuple(name for name in changes if name not in told), "survived": survived}
    return sum(_moved(ids, frm, fence, to, *told.values(), **how) for fence, ids in by_fence.items())


@change
def _moved(
    ids: Any, frm: Any, fence: Any, to: Any, *values: Any, names: Sequence[str], empty: Sequence[str], survived: bool
) -> Any:
    told = dict(zip(names, values, strict=True)) | dict.fromkeys(empty)
    less = {"crash_count": F("crash_count") - 1} if survived else {}
    return in_state(ids, frm).filter(fence=fence), {"state": to, **less, **told}


@question
def _in_state(ids: Any, state: Any) -> Any:
    steps = in_state(ids, state).select_for_update().order_by("pk")
    return steps.values_list(*STEP_FIELDS)


@question
def _projects(ids: Any) -> Any:
    return Batch.objects.filter(pk__in=ids).values_list("id", "project_id")


def _light_batches(ids: list[Any]) -> list[Batch]:
    return light(Batch, ("id", "project_id"), _projects(ids))


@question
def prices(ids: Any) -> Any:
    return Price.objects.filter(pk__in=ids)


@question
def lanes(ids: Any) -> Any:
    return Lane.objects.filter(pk__in=ids)


@question
def vendors(ids: Any) -> Any:
    return Provider.objects.filter(pk__in=ids)


@question
def offers(ids: Any) -> Any:
    return Offer.objects.filter(pk__in=ids)
