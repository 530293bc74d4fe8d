"""Questions that are put together once and asked with other values after that.

To compile a queryset takes the ORM five to ten times as long as the database takes to answer it, and a drive asks the
same few questions all day. The queryset stays the only place that says what is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import DateTimeField, Expression, F, Model, QuerySet
from django.db.models.lookups import In
from django.db.models.query import FlatValuesListIterable, ModelIterable
from django.db.models.sql import UpdateQuery
from django.db.transaction import TransactionManagementError

PLACE = "%s"


class _Slot(Expression):
    """Stands for the value that is given later in this place, or for all values of a list there."""

    def __init__(self, place: int, *, is_list: bool = False) -> None:
        super().__init__()
        self.place, self.is_list = place, is_list

    def as_sql(self, compiler: Any, connection: Any) -> Any:  # noqa: ARG002
        return PLACE, [self]


class _Statement(NamedTuple):
    pieces: tuple[str, ...]  # of its text, between the places of values
    values: tuple[Any, ...]  # slots among them
    columns: tuple[tuple[int, Any, Any], ...] = ()  # (place, converters, expression) of those that are converted
    of_row: Callable[[Any], Any] = tuple
    locks: bool = False

    def bound(self, given: Sequence[Any]) -> tuple[str, list[Any]]:
        """A list takes as many places as it has values."""
        text, values = [self.pieces[0]], []
        for value, piece in zip(self.values, self.pieces[1:], strict=True):
            if not isinstance(value, _Slot):
                values.append(value)
            elif not value.is_list:
                values.append(_adapted(given[value.place]))
            else:
                several = given[value.place]
                values += map(_adapted, several)
                text.append(f"{PLACE}, " * (len(several) - 1))
            text += (PLACE, piece)
        return "".join(text), values


class _Prepared:
    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._known: dict[tuple[Any, ...], _Statement | None] = {}

    def _statement(self, given: Sequence[Any], kind: dict[str, Any]) -> _Statement | None:
        shape = (connection.vendor, *map(_is_empty, given), *kind.values())
        if shape not in self._known:
            slots = [_slot(place, value) for place, value in enumerate(given)]
            try:
                self._known[shape] = self._compiled(self._make(*slots, **kind))
            except EmptyResultSet:
                self._known[shape] = None
        return self._known[shape]

    def _compiled(self, made: Any) -> _Statement:
        raise NotImplementedError


class question(_Prepared):  # noqa: N801  a decorator
    """A function that makes a queryset: called, it answers with the list of its rows, models or tuples of values.

    What is given by place may differ from call to call, but not be None; a list stands for the values of an IN. What is
    given by name decides about the statement: of each one is kept, so of that there must be few.
    """

    def __call__(self, *given: Any, **kind: Any) -> list[Any]:
        statement = self._statement(given, kind)
        if statement is None:
            return []
        if statement.locks and not connection.in_atomic_block:
            raise TransactionManagementError("Rows are locked in a transaction, or not at all.")
        with connection.cursor() as cursor:
            cursor.execute(*statement.bound(given))
            rows = cursor.fetchall()
        if statement.columns and rows:
            rows = _converted(rows, statement.columns)
        return list(map(statement.of_row, rows))

    def _compiled(self, made: QuerySet[Any]) -> _Statement:
        compiler = made.query.get_compiler(using=made.db)
        sql, values = compiler.as_sql()
        selected = [column for column, _, _ in compiler.select]
        columns = tuple((at, *of) for at, of in compiler.get_converters(selected).items())
        locks = made.query.select_for_update and connection.features.has_select_for_update
        return _Statement(tuple(sql.split(PLACE)), tuple(values), columns, _reader(made, compiler), locks)


class change(_Prepared):  # noqa: N801  a decorator
    """A function that gives a queryset and what to set: called, it answers how many rows were changed."""

    def __call__(self, *given: Any, **kind: Any) -> int:
        statement = self._statement(given, kind)
        if statement is None:
            return 0
        with connection.cursor() as cursor:
            cursor.execute(*statement.bound(given))
            return int(cursor.rowcount)

    def _compiled(self, made: tuple[QuerySet[Any], dict[str, Any]]) -> _Statement:
        found, values = made
        query: Any = found.query.chain(UpdateQuery)
        query.add_update_values(values)
        sql, bound = query.get_compiler(using=found.db).as_sql()
        return _Statement(tuple(sql.split(PLACE)), tuple(bound))


def any_of(name: str, values: Any) -> In:
    """As name__in=values, which takes no slots where it is a foreign key."""
    return In(F(name), values)


def _is_empty(value: Any) -> bool:
    return isinstance(value, list) and not value


def _slot(place: int, value: Any) -> Any:
    if isinstance(value, list):
        return [_Slot(place, is_list=True)] if value else []
    return _Slot(place)


def _adapted(value: Any) -> Any:
    if value is None:
        raise ValueError("Nothing equals NULL: what may be None decides about the statement.")
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, UUID):
        return value if connection.features.has_native_uuid_field else value.hex
    return value.value if isinstance(value, Enum) else value


def _converted(rows: Sequence[Sequence[Any]], columns: Sequence[tuple[int, Any, Any]]) -> list[tuple[Any, ...]]:
    here = connections[DEFAULT_DB_ALIAS]  # not the proxy: it is asked for every value
    by_column = list(zip(*rows, strict=True))
    for at, converters, expression in columns:
        if here.vendor == "sqlite" and isinstance(expression.output_field, DateTimeField) and len(converters) == 1:
            by_column[at] = tuple(map(_moment, by_column[at]))
            continue
        for convert in converters:
            by_column[at] = tuple([convert(value, expression, here) for value in by_column[at]])
    return list(zip(*by_column, strict=True))


def _moment(value: datetime | str | None) -> datetime | None:
    """As the converter for SQLite, which looks far more closely: of a column without time zone, or a MAX of one."""
    if value is None:
        return None
    naive = datetime.fromisoformat(value) if isinstance(value, str) else value
    return naive.replace(tzinfo=UTC)


def _reader(made: QuerySet[Any], compiler: Any) -> Callable[[Any], Any]:
    kind = made._iterable_class
    if issubclass(kind, FlatValuesListIterable):
        return lambda row: row[0]
    if not issubclass(kind, ModelIterable):
        return tuple
    model: type[Model] = made.model
    names = [column.target.attname for column, _, _ in compiler.select]
    database = made.db
    return lambda row: model.from_db(database, names, row)
