"""Answers that come to a drive when somebody has concluded without them: each is used or booked, none is dropped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

import pytest

from jobs import decisions
from jobs.engine.booking import Booking
from jobs.engine.waits import Waits
from jobs.models import Attempt, Budget, Decision, LedgerEntry, Notice, Step
from jobs.states import Reason, State
from providers import exceptions, registry
from providers.types import Accepted, Capability, Failed, Recovery, Request
from tests.factories import a_user
from tests.invariants import assert_invariants
from tests.properties.hand_cranked import Clock, Hand

from .listed_vendor import PRICE, Blind, Listed, answered, claimed, concluded_unsent, lost, of_listed

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Free(Listed):
    recovery: ClassVar = {Capability.SCRIPT: Recovery.FREE}


class Selling(Blind):
    def submit(self, request: Request) -> Accepted:
        return Accepted(external_id=f"job of {request.tag}")


@pytest.fixture(params=[Listed])
def vendor(request):
    registry.register(request.param)
    yield request.param
    registry._extra.pop("listed", None)


def book(*answers) -> None:
    Booking(Waits(), None, lambda: NOW).book({"call": list(answers)})


@pytest.mark.parametrize("vendor", [Selling], indirect=True)
def test_a_clock_that_leaps_while_calls_are_out_loses_no_answer(vendor):
    of_listed("Bread", "Bees")
    clock = Clock(datetime.now(UTC))
    hands = [Hand("generation", clock), Hand("generation", clock)]
    hands[0].begin()
    for _ in range(2):
        hands[0].pool.crank(0)
    clock.pass_s(3600)
    for hand in hands:
        hand.keep_house()
    hands[0].book()
    assert set(Step.objects.values_list("state", flat=True)) == {State.RUNNING}
    assert (Attempt.objects.count(), Decision.objects.count()) == (2, 0)
    for hand in hands:
        hand.die()


@pytest.mark.parametrize(("state", "reason"), [(State.UNKNOWN, ""), (State.ATTENTION, Reason.DECISION)])
def test_one_that_a_step_still_waits_for_is_used(vendor, state, reason):
    of_listed("Bread", "Bees")
    first, second = claimed(NOW)
    lost(NOW, first, state=state, reason=reason)
    book(*(answered(ticket, NOW, accepted_id=f"job-{ticket.attempt_id}") for ticket in (first, second)))
    assert set(Step.objects.values_list("state", flat=True)) == {State.RUNNING}
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"accepted", "adopted"}
    assert_invariants(files=False, now=NOW)


def test_one_whose_step_was_sent_again_is_booked(vendor):
    of_listed()
    [ticket] = claimed(NOW)
    sent_again(ticket)
    book(answered(ticket, NOW, accepted_id="job-1"))
    first, second = Attempt.objects.order_by("pk")
    assert (first.outcome, first.external_id, first.cost_micro) == ("adopted", "job-1", PRICE)
    assert (second.outcome, Step.objects.get().state) == ("none", State.CLAIMED)
    assert_invariants(files=False, now=NOW)


@pytest.mark.parametrize(
    "what",
    [
        {"error": exceptions.NotSent("Not there.")},
        {"error": exceptions.Rejected("No.")},
        {"failed": Failed(reason="could not")},
    ],
)
def test_one_that_says_that_nothing_was_made_frees_what_was_at_risk(vendor, what):
    of_listed()
    [ticket] = claimed(NOW)
    sent_again(ticket)
    Budget.objects.create(scope="site", cap_micro=10 * PRICE, reserved_micro=PRICE, at_risk_micro=PRICE)
    book(answered(ticket, NOW, **what))
    assert Budget.objects.get().at_risk_micro == 0
    assert_invariants(files=False, now=NOW)


def test_one_without_a_clear_word_leaves_the_money_at_risk(vendor):
    of_listed()
    [ticket] = claimed(NOW)
    sent_again(ticket)
    book(answered(ticket, NOW, error=exceptions.Unknown("No answer.")))
    assert Attempt.objects.earliest("pk").outcome == "unknown"


def sent_again(ticket) -> None:
    """Within the risk allowance."""
    attempt = lost(NOW, ticket, state=State.READY)
    Step.objects.update(crash_count=0)
    Decision.objects.create(kind="accept_duplicate", step=attempt.step, attempt=attempt, amount_micro=PRICE, at=NOW)
    claimed(NOW)


@pytest.mark.parametrize("billed", [True, False])
def test_one_whose_money_a_person_has_found_on_the_bill_is_booked_once(vendor, billed):
    of_listed()
    [ticket] = claimed(NOW)
    sent_again(ticket)
    decisions.settle_risk(Attempt.objects.earliest("pk"), a_user(), NOW, billed=billed)
    book(answered(ticket, NOW, accepted_id="job-1"))
    assert LedgerEntry.objects.filter(kind="orphan").count() == (0 if billed else 1)
    assert LedgerEntry.objects.filter(spent_micro=PRICE).count() == 1
    assert_invariants(files=False, now=NOW)


@pytest.mark.parametrize("is_looked_for", [True, False])
def test_one_whose_job_its_twin_has_taken_is_not_paid_twice(vendor, is_looked_for):
    """Where nothing carries our tag, of two that are alike one may be given the job of the other."""
    of_listed("Bread", "Bees")
    mine, twin = claimed(NOW)
    attempt = lost(NOW, mine, state=State.READY)
    if not is_looked_for:
        concluded_unsent(NOW, attempt)
    Step.objects.filter(pk=mine.step_id).update(crash_count=0)
    claimed(NOW)
    book(answered(twin, NOW, accepted_id="job-1"))
    book(answered(mine, NOW, accepted_id="job-1"))
    attempt.refresh_from_db()
    assert (attempt.outcome, attempt.external_id, attempt.cost_micro) == ("not_sent", "", 0)
    assert not LedgerEntry.objects.filter(kind="orphan").exists()
    assert_invariants(files=False, now=NOW)


@pytest.mark.parametrize("vendor", [Free], indirect=True)
def test_one_that_cost_nothing_and_was_begun_anew_is_left_alone(vendor):
    of_listed(micro=0)
    [ticket] = claimed(NOW)
    concluded_unsent(NOW, lost(NOW, ticket))
    book(answered(ticket, NOW, accepted_id="job-1"))
    assert Step.objects.get().state == State.READY
    assert not Notice.objects.exists()
    assert not LedgerEntry.objects.filter(kind="orphan").exists()
