"""What a drive asks in every round, as statements of fixed text: the ORM takes far longer to put such a question
together than the database to answer it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from jobs.models import Step
from jobs.states import State
from providers.models import Provider


def some_poll_is_due(now: datetime) -> bool:
    return _some(State.RUNNING, now)


def some_answer_is_to_be_found(now: datetime) -> bool:
    return _some(State.UNKNOWN, now)


def some_link_is_due(now: datetime) -> bool:
    """That nobody fetches yet."""
    return _some(State.FETCHING, now, "AND owner IS NULL")


def some_file_is_due(now: datetime) -> bool:
    """That nobody checks yet."""
    return _some(State.CHECKING, now, "AND owner IS NULL")


def _some(state: State, now: datetime, further: str = "") -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT 1 FROM {_name(Step)} WHERE state = %s AND not_before <= %s {further})",  # noqa: S608
            (state.value, _adapted(now)),
        )
        return bool(cursor.fetchone()[0])


def with_ready_steps(now: datetime, *, but_for_lanes: Collection[int] = ()) -> list[str]:
    """The providers, by name, with steps to claim in other than these lanes."""
    marks = f"AND lane_id NOT IN ({', '.join(['%s'] * len(but_for_lanes))})" if but_for_lanes else ""
    with connection.cursor() as cursor:
        # In the order of an index that begins with state and provider, not by the moment itself: else SQLite by that
        # column and PostgreSQL by what it guesses look at all that waits for others.
        cursor.execute(
            f"SELECT slug FROM {_name(Provider)} AS mine WHERE (SELECT id FROM {_name(Step)}"  # noqa: S608
            f" WHERE state = %s AND provider_id = mine.id AND COALESCE(not_before, not_before) <= %s"
            f" AND crash_count = 0 {marks} ORDER BY batch_id, rank, id LIMIT 1) IS NOT NULL ORDER BY slug",
            (State.READY.value, _adapted(now), *but_for_lanes),
        )
        return [slug for (slug,) in cursor.fetchall()]


def next_moment(after: datetime, before: datetime) -> datetime | None:
    """The earliest between the two at which a job is to be asked about, or a step may start."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT MIN(not_before) FROM {_name(Step)}"  # noqa: S608
            " WHERE state IN (%s, %s) AND not_before > %s AND not_before < %s",
            (State.RUNNING.value, State.READY.value, _adapted(after), _adapted(before)),
        )
        found = cursor.fetchone()[0]
    return datetime.fromisoformat(found).replace(tzinfo=UTC) if isinstance(found, str) else found


def _adapted(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _name(model: type[Step] | type[Provider]) -> str:
    return connection.ops.quote_name(model._meta.db_table)
