"""Where nothing carries our tag, jobs that look like ours are shared out one to one: n attempts, m jobs."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from jobs.engine import calls, put_right, reconcile
from jobs.engine.taking import due_finds
from jobs.models import Attempt, LedgerEntry, Notice, Step
from jobs.states import Reason, State
from providers import registry
from providers.models import Provider
from providers.types import RemoteJob
from tests.invariants import assert_invariants
from tests.simulator_adapter import SimJobs

from .listed_vendor import Untagged, a_job, claimed, lost, of_listed

pytestmark = [pytest.mark.engine, pytest.mark.django_db, pytest.mark.slow]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SAME = "Why bread rises"


@pytest.fixture(autouse=True)
def vendor():
    registry.register(Untagged)
    Untagged.jobs = []
    yield Untagged
    registry._extra.pop("listed", None)


def look(now: datetime = NOW, *, only: int | None = None) -> None:
    """Asks the vendor about every step whose answer was lost, and books what it says."""
    Step.objects.filter(state=State.UNKNOWN).update(not_before=now)
    tickets = due_finds(["listed"], 100, now)[:only]
    answers = [calls.find(ticket, threading.Event()) for ticket in tickets]
    reconcile.settle_found(answers, now)


def look_until_sure() -> None:
    for n in range(reconcile.LISTINGS):
        look(NOW + n * timedelta(seconds=10))


def there(number: int) -> list[RemoteJob]:
    """So many jobs in the vendor's listing that look like the first of our steps."""
    wanted = Step.objects.first().want["prompt"]
    return [a_job(f"job-{n}", NOW + timedelta(seconds=n), fingerprint=wanted) for n in range(number)]


def ids() -> list[str]:
    return sorted(Attempt.objects.values_list("external_id", flat=True))


def states() -> list[str]:
    return sorted(Step.objects.values_list("state", flat=True))


def lose_all(n: int) -> None:
    of_listed(*[SAME] * n)
    Step.objects.update(want=Step.objects.first().want)  # the like of each other, to the last letter
    for ticket in claimed(NOW):
        lost(NOW, ticket)


@pytest.mark.parametrize("searched_s", [0, 7300])
@pytest.mark.parametrize("off_s", [7200, -7200])
def test_what_was_sent_by_a_clock_that_was_wrong_is_looked_for_as_far_around_that_moment(off_s, searched_s):
    """It would be taken for never made, and bought again."""
    of_listed(SAME)
    off = timedelta(seconds=off_s)
    put_right.keep(NOW, -off_s)
    [ticket] = claimed(NOW + off)
    lost(NOW, ticket)
    Untagged.jobs = there(1)
    for n in range(reconcile.LISTINGS):
        look(NOW + timedelta(seconds=searched_s + n * 10))
    assert ids() == ["job-0"]


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_as_many_are_adopted_as_are_there_and_the_rest_was_not_sent(vendor, number):
    lose_all(3)
    vendor.jobs = there(number)
    look_until_sure()
    assert [i for i in ids() if i] == [f"job-{n}" for n in range(number)]
    assert states() == [State.READY] * (3 - number) + [State.RUNNING] * number
    assert_invariants(files=False, now=NOW)
    assert not Notice.objects.exists()


def test_a_stranger_in_the_account_is_told_and_gets_no_step_of_ours(vendor):
    lose_all(2)
    vendor.jobs = there(3)
    look()
    assert [i for i in ids() if i] == ["job-0", "job-1"]
    assert "(job-2)" in Notice.objects.get().text


def told_no_more(name: str) -> RemoteJob:
    return replace(a_job(name, NOW), fingerprint=None)


@pytest.mark.parametrize("off_s", [0, 7200])
def test_while_nobody_can_tell_any_more_what_a_job_was_it_may_be_the_lost_one(vendor, off_s):
    lose_all(1)
    put_right.keep(NOW, off_s)
    vendor.jobs = [told_no_more("removed")]
    look_until_sure()
    assert (ids(), states()) == ([""], [State.UNKNOWN])
    look(NOW + timedelta(hours=3))
    assert (ids(), states()) == ([""], [State.ATTENTION])


def test_one_that_is_told_goes_before_one_that_is_not(vendor):
    lose_all(1)
    vendor.jobs = [told_no_more("removed"), *there(1)]
    look()
    assert ids() == ["job-0"]


@pytest.mark.parametrize("how", ["attempt", "orphan", "trial"])
def test_one_that_somebody_has_keeps_nobody_waiting_when_it_is_told_no_more(vendor, how):
    of_listed(SAME, SAME)
    have, lose = claimed(NOW)
    if how == "attempt":
        Attempt.objects.filter(pk=have.attempt_id).update(outcome="accepted", external_id="removed")
    else:
        provider = Provider.objects.get(slug="listed")
        LedgerEntry.objects.create(kind=how, provider=provider, external_id="removed", at=NOW, spent_micro=1)
        Attempt.objects.filter(pk=have.attempt_id).update(outcome="accepted", external_id="job-5")
    lost(NOW, lose)
    vendor.jobs = [told_no_more("removed")]
    look_until_sure()
    assert Step.objects.get(pk=lose.step_id).state == State.READY


def test_a_job_that_somebody_has_is_nobodys_twice(vendor):
    lose_all(2)
    vendor.jobs = there(1)
    look(only=1)
    look(only=1)
    assert [i for i in ids() if i] == ["job-0"]


def test_while_its_twin_is_being_sent_a_job_is_left_to_wait(vendor):
    of_listed(SAME, SAME)
    Step.objects.update(want=Step.objects.first().want)
    lost_one, sending = claimed(NOW)
    lost(NOW, lost_one)
    vendor.jobs = there(1)
    look_until_sure()
    assert ids() == ["", ""]
    assert Step.objects.get(pk=lost_one.step_id).state == State.UNKNOWN
    Attempt.objects.filter(pk=sending.attempt_id).update(outcome="accepted", external_id="job-0")
    Step.objects.filter(pk=sending.step_id).update(state=State.RUNNING)
    look_until_sure()
    assert Step.objects.get(pk=lost_one.step_id).state == State.READY


def test_one_that_waits_for_a_person_counts_as_one_of_ours(vendor):
    of_listed(SAME, SAME)
    Step.objects.update(want=Step.objects.first().want)
    first, second = claimed(NOW)
    lost(NOW, first)
    lost(NOW, second, state=State.ATTENTION, reason=Reason.DECISION)
    vendor.jobs = there(2)
    look()
    assert not Notice.objects.exists()


def test_what_looks_otherwise_or_was_made_at_another_time_is_not_ours(vendor):
    lose_all(1)
    prompt = Step.objects.get().want["prompt"]
    vendor.jobs = [
        a_job("other", NOW, fingerprint="something else"),
        a_job("early", NOW - timedelta(minutes=6), fingerprint=prompt),
        a_job("late", NOW + timedelta(minutes=7), fingerprint=prompt),
    ]
    look_until_sure()
    assert ids() == [""]
    assert states() == [State.READY]


@pytest.mark.django_db(transaction=True)
def test_two_that_ask_at_once_take_no_job_twice(vendor):
    lose_all(2)
    vendor.jobs = there(1)
    tickets = due_finds(["listed"], 100, NOW)
    answers = [calls.find(ticket, threading.Event()) for ticket in tickets]
    ready, trouble = threading.Barrier(2), []

    def settle(answer) -> None:
        try:
            ready.wait(10)
            reconcile.settle_found([answer], NOW)
        except Exception as error:
            trouble.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=settle, args=(answer,)) for answer in answers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert trouble == []
    assert ids() == ["", "job-0"]


def test_a_vendor_that_keeps_no_tags_is_asked_for_what_it_shows(scene, monkeypatch):
    monkeypatch.setattr(SimJobs, "tagged", False)
    lost_and_not = ["lose_after_accept", "lose_before_accept", "lose_after_accept"]
    provider = scene.vendor("jobs", keeps_tags=False, page_size=2, next=lost_and_not)
    topic = "Asked of this vendor here only"  # jobs of other tests would look alike
    scene.batch(topic, topic, topic, provider=provider)
    Step.objects.update(want=Step.objects.first().want)
    scene.drive_until(lambda: not Step.objects.exclude(state=State.DONE).exists(), within_s=30)
    outcomes = sorted(Attempt.objects.values_list("outcome", flat=True))
    assert outcomes == ["accepted", "adopted", "adopted", "not_sent"]
    assert len(scene.books()["bills"]) == 3
    scene.sim.control("jobs", keeps_tags=True, page_size=1000)
    scene.close()
    assert_invariants()  # by tag, one was bought twice and its twin never: they took each other's jobs
