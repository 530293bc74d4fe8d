"""A webhook about a job whose answer was lost: the vendor is asked at once, and its word alone counts."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import calls, reconcile, settle
from jobs.engine.taking import due_finds
from jobs.models import Attempt, LedgerEntry, Step
from jobs.states import Reason, State
from providers import registry
from providers.exceptions import Rejected, Unknown
from providers.models import WebhookEvent
from providers.signals import webhook_arrived
from tests.invariants import assert_invariants

from .listed_vendor import PRICE, Blind, Listed, a_job, answered, claimed, lost, of_listed

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOON, LATER = NOW + timedelta(seconds=1), NOW + timedelta(minutes=30)


@pytest.fixture(autouse=True)
def vendor(request):
    adapter = getattr(request, "param", Listed)
    registry.register(adapter)
    Listed.jobs = []
    yield adapter
    registry._extra.pop("listed", None)


blind = pytest.mark.parametrize("vendor", [Blind], indirect=True)


def say(attempt: Attempt, *, external_id: str = "", at: datetime = SOON) -> None:
    event = WebhookEvent.objects.create(
        provider=attempt.provider,
        webhook_id=f"{external_id} {at}",
        external_id=external_id,
        tag=attempt.tag,
        received_at=at,
    )
    webhook_arrived.send(sender=WebhookEvent, event=event)


def look(now: datetime) -> None:
    answers = [calls.find(ticket, threading.Event()) for ticket in due_finds(["listed"], 100, now)]
    reconcile.settle_found(answers, now)


def a_lost_answer(*, for_a_person: bool = False) -> Attempt:
    of_listed("Bread")
    [ticket] = claimed(NOW)
    reason = Reason.DECISION if for_a_person else ""
    attempt = lost(NOW, ticket, state=State.ATTENTION if for_a_person else State.UNKNOWN, reason=reason)
    Step.objects.update(not_before=LATER)
    return attempt


def step() -> tuple[str, str]:
    return Step.objects.values_list("state", "reason").get()


def test_it_makes_the_vendor_be_asked_at_once_and_what_is_found_is_adopted():
    attempt = a_lost_answer()
    Listed.jobs = [a_job("job-1", NOW, tag=attempt.tag)]
    look(SOON)
    assert step() == (State.UNKNOWN, "")  # without it, nobody looks yet
    say(attempt, external_id="another-name")
    look(SOON)
    assert step() == (State.RUNNING, "")
    assert Attempt.objects.get().external_id == "job-1"  # as the vendor's own listing names it
    assert_invariants()


def test_nothing_is_adopted_that_the_vendor_does_not_show_and_nothing_is_sent_again_either():
    say(attempt := a_lost_answer(), external_id="job-1")
    for minutes in range(6):
        look(SOON + timedelta(minutes=minutes))
    assert step() == (State.UNKNOWN, "")
    attempt.refresh_from_db()
    assert (attempt.external_id, attempt.outcome, attempt.units) == ("", "unknown", {})
    look(SOON + timedelta(hours=9))
    assert step() == (State.ATTENTION, Reason.DECISION)
    assert_invariants()


def test_of_another_tag_nothing_changes():
    attempt = a_lost_answer()
    say(Attempt(provider=attempt.provider, tag="another"), external_id="job-1")
    assert Step.objects.get().not_before == LATER


@blind
def test_where_nobody_could_look_the_job_that_it_names_is_asked_about_and_adopted():
    say(a_lost_answer(for_a_person=True), external_id="job-1")
    assert step() == (State.UNKNOWN, "")
    look(SOON)
    attempt = Attempt.objects.get()
    assert step() == (State.RUNNING, "")
    assert (attempt.outcome, attempt.external_id, attempt.ended_at) == ("adopted", "job-1", None)
    found = LedgerEntry.objects.get(kind="resolve")
    assert (found.at_risk_micro, found.reserved_micro) == (-PRICE, PRICE)
    assert_invariants()


@blind
def test_a_job_that_the_vendor_does_not_know_is_not_adopted_and_a_person_decides_after_all(monkeypatch):
    def unknown(self, external_id):
        raise Rejected("There is no such job.")

    monkeypatch.setattr(Listed, "poll", unknown)
    say(a_lost_answer(for_a_person=True), external_id="job-1")
    look(SOON)
    assert (step(), Attempt.objects.get().external_id) == ((State.UNKNOWN, ""), "")
    look(SOON + timedelta(hours=9))
    assert step() == (State.ATTENTION, Reason.DECISION)
    assert Attempt.objects.get().ended_at is not None
    assert_invariants()


@blind
def test_one_that_comes_before_the_answer_is_lost_is_remembered():
    of_listed("Bread")
    [ticket] = claimed(NOW)
    say(Attempt.objects.get(), external_id="job-1", at=NOW)
    settle.settle_calls([answered(ticket, NOW, error=Unknown("Cut off."))], SOON)
    assert step() == (State.UNKNOWN, "")
    look(SOON + timedelta(minutes=1))
    assert (step(), Attempt.objects.get().external_id) == ((State.RUNNING, ""), "job-1")
    assert_invariants()


@blind
def test_one_that_names_no_job_leaves_the_decision_to_the_person():
    say(a_lost_answer(for_a_person=True))
    assert step() == (State.ATTENTION, Reason.DECISION)


@blind
def test_what_was_sent_again_meanwhile_is_not_looked_for():
    attempt = a_lost_answer(for_a_person=True)
    later = Attempt.objects.get()
    later.pk, later.no, later.tag = None, attempt.no + 1, "later"
    later.save()
    say(attempt, external_id="job-1")
    assert step() == (State.ATTENTION, Reason.DECISION)
