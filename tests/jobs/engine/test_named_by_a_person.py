"""A person says which job a lost answer was about, and may mistype it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from jobs import control
from jobs.engine import calls, settle, sweep
from jobs.engine.booking import Booking
from jobs.engine.waits import Waits
from jobs.models import Attempt, LedgerEntry, Step
from jobs.states import Reason, State
from providers import exceptions, registry
from tests.invariants import assert_invariants

from .listed_vendor import PRICE, Listed, a_job, answered, claimed, lost, of_listed

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MISSING = exceptions.Rejected("No such job.", http_status=404)


@pytest.fixture
def ticket():
    """Of a call whose answer was lost; a person has named its job."""
    registry.register(Listed)
    Listed.jobs = []
    of_listed()
    (mine,) = claimed(NOW)
    lost(NOW, mine, state=State.ATTENTION, reason=Reason.DECISION)
    named("job-7")
    yield mine
    registry._extra.pop("listed", None)


def named(external_id: str) -> None:
    person, _ = User.objects.get_or_create(username="somebody")
    control.it_happened(Step.objects.get(), person, NOW, external_id=external_id)


def polled(ticket, **said) -> Step:
    Booking(Waits(), None, lambda: NOW).book({"poll": [[answered(ticket, NOW, **said)]]})
    assert_invariants(files=False, now=NOW)
    return Step.objects.get()


def test_one_that_its_vendor_does_not_know_is_asked_for_again(ticket):
    step = polled(ticket, error=MISSING)
    assert (step.state, step.reason) == (State.ATTENTION, Reason.DECISION)
    assert step.message.endswith("knows no job “job-7”: look for its id once more.")
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.external_id, attempt.cost_micro) == ("unknown", "", 0)
    named("job-8")
    assert Step.objects.get().state == State.RUNNING
    assert Attempt.objects.get().external_id == "job-8"
    assert_invariants(files=False, now=NOW)


def test_one_that_cannot_be_asked_about_just_now_is_followed_on(ticket):
    step = polled(ticket, error=exceptions.Unknown("Nothing was understood.", http_status=502))
    assert (step.state, Attempt.objects.get().external_id) == (State.RUNNING, "job-7")


def test_one_that_was_found_by_us_may_be_missing_for_a_moment(ticket):
    Attempt.objects.get().decisions.all().delete()
    assert polled(ticket, error=MISSING).state == State.RUNNING


def test_one_whose_result_could_not_be_booked_is_followed_by_its_own_id(ticket):
    settle.set_aside(ticket, "What came back cannot be booked", NOW)
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.external_id) == ("unknown", "job-7")
    named("job-7")
    assert (Step.objects.get().state, Attempt.objects.get().outcome) == (State.RUNNING, "adopted")
    assert_invariants(files=False, now=NOW)


def test_one_that_a_person_takes_for_not_made_is_booked_when_its_vendor_shows_it(ticket):
    settle.set_aside(ticket, "What came back cannot be booked", NOW)
    person, _ = User.objects.get_or_create(username="somebody")
    control.try_again(Step.objects.get(), person, NOW)
    Listed.jobs = [a_job("job-7", NOW, tag=ticket.request.tag)]
    [due] = sweep.due(NOW)
    sweep.settle(calls.list_jobs(due.ticket, due.since, due.until, threading.Event()), NOW)
    [orphan] = LedgerEntry.objects.filter(kind="orphan")
    assert (orphan.external_id, orphan.spent_micro) == ("job-7", PRICE)
    assert Step.objects.get().state == State.READY


def test_one_that_is_marked_as_paid_keeps_the_id_that_was_known(ticket):
    settle.set_aside(ticket, "What came back cannot be booked", NOW)
    named("")
    assert (Step.objects.get().state, Attempt.objects.get().external_id) == (State.READY, "job-7")
    assert_invariants(files=False, now=NOW)
