"""The questions of fixed text say what the ORM says, on both databases."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import looks
from jobs.models import Step
from jobs.states import State
from providers.models import Lane
from tests.factories import a_batch, a_provider

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
A_MOMENT = timedelta(microseconds=1)


@pytest.fixture
def step():
    """A script that waits for its provider, due this very moment."""
    a_batch()
    provider = a_provider("vendor")
    Step.objects.update(provider=provider, lane=Lane.objects.get(provider=provider), not_before=NOW)
    return Step.objects.get()


@pytest.mark.parametrize(
    ("state", "asked"),
    [
        (State.RUNNING, looks.some_poll_is_due),
        (State.UNKNOWN, looks.some_answer_is_to_be_found),
        (State.FETCHING, looks.some_link_is_due),
        (State.CHECKING, looks.some_file_is_due),
    ],
)
def test_what_is_due_is_seen_at_its_moment_and_not_before(step, state, asked):
    assert not asked(NOW)
    Step.objects.update(state=state)
    assert asked(NOW)
    assert not asked(NOW - A_MOMENT)
    Step.objects.update(not_before=NOW.replace(microsecond=0))  # which SQLite writes without a fraction
    assert asked(NOW.replace(microsecond=0))


@pytest.mark.parametrize(
    ("state", "asked"), [(State.FETCHING, looks.some_link_is_due), (State.CHECKING, looks.some_file_is_due)]
)
def test_what_somebody_is_at_is_not_due(step, state, asked):
    Step.objects.update(state=state, owner=uuid.uuid4())
    assert not asked(NOW)


def test_providers_with_steps_to_claim_are_named(step):
    assert looks.with_ready_steps(NOW) == ["vendor"]
    assert looks.with_ready_steps(NOW - A_MOMENT) == []
    assert looks.with_ready_steps(NOW, but_for_lanes={step.lane_id, 0}) == []
    assert looks.with_ready_steps(NOW, but_for_lanes={step.lane_id + 1000}) == ["vendor"]
    Step.objects.update(crash_count=1)  # it may only be worked on alone
    assert looks.with_ready_steps(NOW) == []


def test_the_next_moment_is_that_of_a_poll_or_of_a_start(step):
    early, late = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    assert looks.next_moment(early, late) == NOW
    assert looks.next_moment(NOW, late) is None
    assert looks.next_moment(early, NOW) is None
    Step.objects.update(state=State.RUNNING, not_before=NOW.replace(microsecond=0))
    assert looks.next_moment(early, late) == NOW.replace(microsecond=0)
    Step.objects.update(state=State.FETCHING)
    assert looks.next_moment(early, late) is None
