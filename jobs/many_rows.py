"""Many rows in one statement, without what the ORM does for each: the engine writes thousands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections, models

M = TypeVar("M", bound=models.Model)
NUMBERS = frozenset({int, type(None)})  # the same in every database, whatever the field


class JsonText(str):
    """A value of a JSON column that is encoded already."""

    __slots__ = ()


def update_each(model: type[models.Model], names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """One UPDATE a row with values of its own: (value, …, primary key). A CASE over all rows is far slower."""
    key: Any = model._meta.pk
    sets = ", ".join(f"{column} = %s" for column in _columns(model, names))
    _execute_many(model, f"UPDATE {_quoted(model)} SET {sets} WHERE {key.column} = %s", (*names, key.name), rows)


def insert_rows(
    model: type[models.Model], names: Sequence[str], rows: Sequence[tuple[Any, ...]], *, if_new: bool = False
) -> None:
    """Inserts rows of (value, …); bulk_create takes four times as long, most of it to compile its statement."""
    columns, marks = ", ".join(_columns(model, names)), ", ".join(["%s"] * len(names))
    end = " ON CONFLICT DO NOTHING" if if_new else ""
    _execute_many(model, f"INSERT INTO {_quoted(model)} ({columns}) VALUES ({marks}){end}", names, rows)  # noqa: S608


def insert_all(model: type[M], objects: Iterable[M], *, if_new: bool = False) -> None:
    """As bulk_create, but the objects are not told their primary keys. `if_new`: those in conflict are left out."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    rows = [tuple(getattr(each, field.attname) for field in fields) for each in objects]
    insert_rows(model, [field.name for field in fields], rows, if_new=if_new)


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
