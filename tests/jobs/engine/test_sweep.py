"""Jobs that a vendor has and no step waits for: found every hour, booked once, told once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import requests

from jobs import control, decisions
from jobs.engine import budgets, calls, late, sweep
from jobs.engine.drive import Drive
from jobs.models import Attempt, Budget, Chore, Decision, LedgerEntry, Notice, Step
from jobs.states import Reason, State
from providers import registry
from providers.exceptions import Unknown
from providers.types import JobState
from tests.factories import a_user
from tests.invariants import assert_invariants

from .listed_vendor import PRICE, Listed, Untagged, a_job, claimed, lost, of_listed

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FAR = timedelta(days=30)


@pytest.fixture(autouse=True)
def vendor():
    registry.register(Listed)
    Listed.jobs = []
    yield Listed
    registry._extra.pop("listed", None)


@pytest.fixture
def ticket(db):
    of_listed()
    return claimed(NOW)[0]


def swept(now: datetime = NOW) -> list[LedgerEntry]:
    """One sweep, and the orphans of the ledger after it."""
    for due in sweep.due(now):
        sweep.settle(calls.list_jobs(due.ticket, due.since, due.until, threading.Event()), now)
    return list(LedgerEntry.objects.filter(kind="orphan"))


def set_attempt(ticket, **values) -> None:
    Attempt.objects.filter(pk=ticket.attempt_id).update(**values)


def test_a_job_that_nobody_ordered_is_booked_and_told_once(vendor, ticket):
    vendor.jobs = [a_job("strange", NOW)]
    budget = Budget(scope="site", cap_micro=10**9)
    budgets.begin(budget, NOW)
    for hours in range(3):
        [orphan] = swept(NOW + hours * HOUR)
    assert (orphan.external_id, orphan.spent_micro, orphan.attempt, orphan.batch) == ("strange", PRICE, None, None)
    assert "strange" in Notice.objects.get().text
    budget.refresh_from_db()
    assert budget.spent_micro == PRICE
    assert_invariants(files=False, now=NOW)


@pytest.mark.parametrize("how", ["external_id", "tag"])
def test_a_job_that_an_attempt_has_is_no_orphan(vendor, ticket, how):
    set_attempt(
        ticket, outcome="accepted", cost_micro=PRICE, **({"external_id": "mine"} if how == "external_id" else {})
    )
    vendor.jobs = [a_job("mine", NOW, tag=ticket.request.tag if how == "tag" else "")]
    assert swept() == []


@pytest.mark.parametrize("outcome", ["not_sent", "rejected", "given_up"])
def test_a_job_of_an_attempt_that_was_taken_for_unsent_is_an_orphan_that_names_it(vendor, ticket, outcome):
    set_attempt(ticket, outcome=outcome, ended_at=NOW)
    vendor.jobs = [a_job("late", NOW + HOUR, tag=ticket.request.tag)]
    [orphan] = swept(NOW + HOUR)
    assert (orphan.attempt_id, orphan.spent_micro) == (ticket.attempt_id, PRICE)
    assert "Why bread rises" in Notice.objects.get().text


def test_a_second_job_of_one_attempt_is_an_orphan(vendor, ticket):
    set_attempt(ticket, outcome="accepted", external_id="first", cost_micro=PRICE)
    vendor.jobs = [a_job("first", NOW, tag=ticket.request.tag), a_job("second", NOW, tag=ticket.request.tag)]
    [orphan] = swept()
    assert (orphan.external_id, orphan.attempt_id) == ("second", ticket.attempt_id)


def test_what_a_person_booked_as_paid_is_not_booked_again(vendor, ticket):
    set_attempt(ticket, outcome="adopted", cost_micro=PRICE, ended_at=NOW)
    vendor.jobs = [a_job("paid", NOW, tag=ticket.request.tag)]
    assert swept() == []


@pytest.mark.parametrize("outcome", ["none", "unknown"])
def test_what_is_under_way_or_looked_for_is_left_to_those_who_look(vendor, ticket, outcome):
    if outcome == "unknown":
        lost(NOW, ticket)
    vendor.jobs = [a_job("mine", NOW, tag=ticket.request.tag)]
    assert swept() == []
    assert Attempt.objects.get().outcome == outcome


def test_a_job_that_a_person_is_asked_about_is_found(vendor, ticket):
    lost(NOW, ticket, state=State.ATTENTION, reason=Reason.DECISION)
    vendor.jobs = [a_job("mine", NOW, tag=ticket.request.tag)]
    assert swept() == []
    step, attempt = Step.objects.get(), Attempt.objects.get()
    assert (step.state, step.reason, attempt.outcome, attempt.external_id) == ("running", "", "adopted", "mine")
    assert_invariants(files=False, now=NOW)


def test_money_that_was_left_at_risk_is_spent_when_the_job_shows_up(vendor, ticket):
    attempt = lost(NOW, ticket)
    Step.objects.update(state=State.READY, fence=99)  # sent again within the allowance
    vendor.jobs = [a_job("mine", NOW, tag=ticket.request.tag, units={"calls": 1})]
    assert swept() == []
    attempt.refresh_from_db()
    assert (attempt.outcome, attempt.external_id, attempt.cost_micro) == ("adopted", "mine", PRICE)
    sums = LedgerEntry.objects.filter(attempt=attempt)
    assert [sum(getattr(e, n) for e in sums) for n in ("at_risk_micro", "spent_micro")] == [0, PRICE]
    assert Step.objects.get().state == State.READY


def test_one_that_still_runs_is_looked_at_again_when_it_is_over(vendor, ticket):
    vendor.jobs = [a_job("slow", NOW, state=JobState.RUNNING)]
    assert swept() == []
    vendor.jobs = [a_job("slow", NOW)]
    assert len(swept(NOW + HOUR)) == 1


def test_one_that_failed_and_costs_nothing_is_nothing(vendor, ticket):
    vendor.jobs = [a_job("failed", NOW, state=JobState.FAILED, billed=False)]
    assert swept() == []
    vendor.jobs = [a_job("billed", NOW, state=JobState.FAILED)]
    assert len(swept(NOW + HOUR)) == 1


def test_where_nothing_carries_a_tag_what_is_still_looked_for_comes_first(vendor, ticket, monkeypatch):
    registry.register(Untagged)
    Untagged.jobs = [a_job("whose", NOW)]
    lost(NOW, ticket)
    assert swept() == []
    Step.objects.update(state=State.READY)
    Attempt.objects.update(outcome="not_sent", ended_at=NOW)
    assert len(swept(NOW + HOUR)) == 1


def test_nor_is_what_a_person_is_asked_about_an_orphan_until_he_has_said_so(vendor, ticket):
    registry.register(Untagged)
    Untagged.jobs = [a_job("whose", NOW)]
    lost(NOW, ticket, state=State.ATTENTION, reason=Reason.DECISION)
    for hours in range(0, 12, 4):
        assert swept(NOW + hours * HOUR) == []
    control.try_again(Step.objects.get(), a_user(), NOW)
    [orphan] = swept(NOW + 12 * HOUR)
    assert (orphan.external_id, orphan.spent_micro) == ("whose", PRICE)


@pytest.mark.parametrize("how", ["it happened", "billed"])
def test_what_a_person_has_booked_without_an_id_is_not_booked_again_where_nothing_carries_a_tag(vendor, ticket, how):
    registry.register(Untagged)
    Untagged.jobs = [a_job("whose", NOW), a_job("another", NOW)]
    attempt = lost(NOW, ticket, state=State.ATTENTION, reason=Reason.DECISION)
    if how == "it happened":
        control.it_happened(Step.objects.get(), a_user(), NOW)
    else:
        Step.objects.update(state=State.READY)
        Decision.objects.create(kind="accept_duplicate", step=attempt.step, attempt=attempt, amount_micro=1, at=NOW)
        decisions.settle_risk(attempt, a_user(), NOW, billed=True)
    for hours in range(2):
        [orphan] = swept(NOW + hours * HOUR)
    assert (Attempt.objects.get().external_id, orphan.external_id) == ("whose", "another")


def test_a_job_of_another_hour_is_not_the_one_that_is_looked_for(vendor, ticket):
    registry.register(Untagged)
    Untagged.jobs = [a_job("much later", NOW + 2 * HOUR)]
    lost(NOW, ticket)
    assert len(swept(NOW + 2 * HOUR)) == 1


def test_money_at_risk_is_spent_by_the_job_that_may_be_meant_where_nothing_carries_a_tag(vendor, ticket):
    registry.register(Untagged)
    Untagged.jobs = [a_job("whose", NOW)]
    attempt = lost(NOW, ticket, state=State.ATTENTION, reason=Reason.DECISION)
    decisions.give_up(Step.objects.get(), a_user(), NOW)
    assert swept() == []
    attempt.refresh_from_db()
    assert (attempt.outcome, attempt.external_id, attempt.cost_micro) == ("adopted", "whose", PRICE)
    with pytest.raises(control.Refused):
        decisions.settle_risk(attempt, a_user(), NOW, billed=True)


def test_a_job_that_is_listed_twice_is_given_to_one(vendor):
    registry.register(Untagged)
    of_listed("Bread", "Bees")
    for step in [lost(NOW, one, state=State.ATTENTION, reason=Reason.DECISION).step for one in claimed(NOW)]:
        control.it_happened(step, a_user(), NOW)
    Untagged.jobs = [a_job("whose", NOW)] * 2
    assert swept() == []
    assert sorted(Attempt.objects.values_list("external_id", flat=True)) == ["", "whose"]


def test_a_job_that_is_booked_as_an_orphan_is_not_followed_and_booked_again(vendor, ticket):
    lost(NOW, ticket, state=State.ATTENTION, reason=Reason.DECISION)
    late.book_orphan(Step.objects.get().provider, "whose", PRICE, NOW)
    with pytest.raises(control.Refused, match="booked already"):
        control.it_happened(Step.objects.get(), a_user(), NOW, external_id="whose")


# -- when, and how far back --------------------------------------------------------------------------------------------


def test_one_drive_an_hour_sweeps_and_nobody_where_nothing_was_ever_asked(vendor):
    of_listed()
    assert sweep.due(NOW) == []
    claimed(NOW)
    assert [len(sweep.due(NOW + timedelta(minutes=m))) for m in (0, 1, 59, 60, 61, 130)] == [1, 0, 0, 1, 0, 1]


def test_a_listing_that_failed_is_made_up_for(vendor, ticket):
    [first] = sweep.due(NOW + HOUR)
    sweep.settle(calls.Answer(ticket=first.ticket, ended_at=NOW, error=Unknown("No.")), NOW)
    later = NOW + timedelta(hours=10)
    [second] = sweep.due(later)
    assert second.since < NOW
    sweep.settle(calls.Answer(ticket=second.ticket, ended_at=later), later)
    [third] = sweep.due(later + HOUR)
    assert third.since == later - sweep.OVERLAP
    [much_later] = sweep.due(later + FAR)
    assert much_later.since == later + FAR - sweep.MOST_BACK


def test_what_was_made_before_our_first_call_is_none_of_our_business(vendor, ticket):
    vendor.jobs = [a_job("old", NOW - timedelta(minutes=6))]
    assert swept() == []


def test_an_answer_that_makes_no_sense_keeps_nothing_waiting(vendor, ticket, monkeypatch):
    [due] = sweep.due(NOW)
    monkeypatch.setattr(late, "book_orphan", lambda *args, **kwargs: 1 / 0)
    sweep.settle(calls.Answer(ticket=due.ticket, ended_at=NOW, alike=(a_job("strange", NOW),)), NOW)
    assert not Chore.objects.filter(name="swept listed").exists()


@pytest.mark.django_db(transaction=True)
def test_the_drive_sweeps(vendor):
    of_listed()
    now = datetime.now(UTC)
    assert claimed(now)
    vendor.jobs = [a_job("strange", now)]
    drive = Drive("generation", slice_s=60)
    try:
        for _ in range(100):
            drive.step_once()
            if LedgerEntry.objects.filter(kind="orphan").exists():
                break
    finally:
        drive.close()
    assert LedgerEntry.objects.filter(kind="orphan", external_id="strange").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_that_find_a_job_at_once_book_it_once(vendor):
    of_listed()
    claimed(NOW)
    provider = Step.objects.select_related("provider").first().provider
    ready, booked = threading.Barrier(4), []

    def book() -> None:
        ready.wait(10)
        try:
            booked.append(late.book_orphan(provider, "strange", PRICE, NOW))
        finally:
            late.transaction.get_connection().close()

    threads = [threading.Thread(target=book) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(booked) == [False, False, False, True]
    assert LedgerEntry.objects.filter(kind="orphan").count() == Notice.objects.count() == 1


def test_a_stranger_in_the_account_of_a_real_vendor_is_found_over_the_wire(scene):
    scene.batch(provider=scene.vendor("jobs", page_size=2))
    done = Step.objects.filter(state=State.DONE).exists
    scene.drive_until(done)
    strange = {"kind": "text", "prompt": "Not ours", "tag": "a stranger's"}
    job = requests.post(f"{scene.sim.url}/jobs/v1/jobs", json=strange, timeout=5).json()["id"]
    found = LedgerEntry.objects.filter(kind="orphan", external_id=job).exists
    now = datetime.now(UTC)
    deadline = now + timedelta(seconds=20)
    while not found() and datetime.now(UTC) < deadline:  # it may still run when the first sweep comes by
        Chore.objects.filter(name="sweep sim_jobs").update(done_at=now - 2 * HOUR)
        scene.drives[0].house._looked = float("-inf")
        scene.drives[0].step_once()
    assert LedgerEntry.objects.get(kind="orphan", external_id=job).spent_micro == 1000
    ours = Attempt.objects.get().external_id
    assert not LedgerEntry.objects.filter(kind="orphan", external_id=ours).exists()
    scene.sim.control("jobs", page_size=1000)
