"""Guarded and bulk writes. Every update of an owned step names the state and the fence it comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import models
from django.db.models.base import ModelState

from jobs.bulk import JsonText as JsonText
from jobs.bulk import insert_rows as insert_rows
from jobs.bulk import update_each as update_each
from jobs.models import Batch, Step
from jobs.states import MOVES, State

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
    found: models.QuerySet[M], names: Sequence[str], related: Mapping[str, models.QuerySet[Any]] | None = None
) -> list[M]:
    """Instances with these columns only, the others are read when asked for; `related` rows are read once each.

    QuerySet.only() makes the same; but it, prefetching and Model.__init__ take ten times as long.
    """
    made, model, database = [], found.model, found.db
    for values in found.values_list(*names):
        row = model.__new__(model)
        row.__dict__.update(zip(names, values, strict=True))
        row._state = state = ModelState()
        state.adding, state.db = False, database
        made.append(row)
    for name, others in (related or {}).items():
        column = f"{name}_id"
        by_key: dict[Any, Any] = others.in_bulk({row.__dict__[column] for row in made} - {None})
        for row in made:
            row._state.fields_cache[name] = by_key.get(row.__dict__[column])
    return made


def still_ours(fences: dict[int, int], state: State) -> dict[int, Step]:
    """Those of the steps {id: fence} that are in this state under this fence, locked in the order of their ids.

    Fewer than asked for is an answer: the others belong to somebody else by now, so stop working on them.
    """
    steps = Step.objects.select_for_update().filter(pk__in=fences, state=state).order_by("pk")
    found = light(steps, STEP_FIELDS, {"batch": Batch.objects.only("project")})
    return {step.pk: step for step in found if step.fence == fences[step.pk]}


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
