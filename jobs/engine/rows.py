"""Guarded and bulk writes. Every update of an owned step names the state and the fence it comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models.base import ModelState

from jobs.models import Batch, Step
from jobs.states import MOVES, State

M = TypeVar("M", bound=models.Model)
NUMBERS = frozenset({int, type(None)})  # the same in every database, whatever the field
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


class JsonText(str):
    """A value of a JSON column that is encoded already."""

    __slots__ = ()


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
    columns = [_prepared(model, name, values) for name, values in zip(names, zip(*rows, strict=True), strict=True)]
    with connection.cursor() as cursor:
        cursor.executemany(sql, list(zip(*columns, strict=True)))


def _prepared(model: type[models.Model], name: str, values: Sequence[Any]) -> Sequence[Any]:
    """The values of one column as the database takes them; equal ones are prepared once."""
    kinds = set(map(type, values))
    if kinds <= NUMBERS:
        return values
    field: Any = model._meta.get_field(name)
    if isinstance(field, models.JSONField):
        if kinds == {JsonText}:
            return [str(value) for value in values]
        prepare, here = field.get_db_prep_save, connections[DEFAULT_DB_ALIAS]
        empty = prepare({}, here)  # as most are
        return [empty if value == {} else prepare(value, here) for value in values]
    if kinds == {str} and isinstance(field, models.CharField):
        return values
    return _each_once(field, values)


def _each_once(field: Any, values: Sequence[Any]) -> list[Any]:
    here = connections[DEFAULT_DB_ALIAS]  # not the proxy: it is asked for every value
    different = set(values)
    if isinstance(field, models.DateTimeField):
        adapt: Callable[[Any], Any] = here.ops.adapt_datetimefield_value
        known = {value: adapt(value) for value in different}
    else:
        known = {value: field.get_db_prep_save(value, here) for value in different}
    return [known[value] for value in values]


def _columns(model: type[models.Model], names: Sequence[str]) -> list[str]:
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    return [connection.ops.quote_name(field.column) for field in fields]


def _quoted(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)
