"""What a lane learns from what went wrong: refusals for haste, failures, an empty account."""

from __future__ import annotations

import pytest
from django.db.models import Sum

from jobs.engine import settle
from jobs.engine.calls import Answer
from jobs.models import Attempt, LedgerEntry, Step
from jobs.states import State
from providers.exceptions import HeldBack, NotSent, RateLimited, Unknown
from providers.models import Lane, Quota, Usage
from providers.types import Failed

from .kit import NOW, at, batch_of, claimed, lane, settle_all

pytestmark = [pytest.mark.engine, pytest.mark.django_db]


# -- refused for haste ---------------------------------------------------------------------------------


def test_a_refusal_pauses_its_lane_until_the_vendors_moment_and_costs_no_step_a_try(me, vendor):
    batch_of(1)
    settle_all(claimed(me).tickets, NOW, error=RateLimited("Slow down.", retry_after_s=10))
    step = Step.objects.get()
    assert (step.state, step.failures, step.not_before) == (State.READY, 0, NOW)
    assert at(10) <= lane().paused_until <= at(12)
    assert lane().failures_in_row == 0
    assert not lane().paced  # no quota says what would be even


def test_a_refusal_pauses_every_lane_behind_the_same_quota_and_no_other(me, vendor):
    for capability in ("image", "clip"):
        Lane.objects.create(provider=vendor, capability=capability)
    Quota.objects.create(provider=vendor, capability="script", amount=1000, window_s=60)
    batch_of(1)
    settle_all(claimed(me).tickets, NOW, error=RateLimited("Slow down.", retry_after_s=10))
    assert set(Lane.objects.exclude(paused_until=None).values_list("capability", flat=True)) == {"script"}
    Quota.objects.create(provider=vendor, amount=2, window_s=60)  # of the whole account, and fuller
    settle_all(claimed(me, now=at(20)).tickets, at(20), error=RateLimited("Slow down.", retry_after_s=10))
    assert Lane.objects.filter(paused_until__gt=at(25)).count() == 3


def test_a_refusal_with_room_in_our_window_makes_the_lane_go_evenly_for_ten_windows(me, vendor):
    Quota.objects.create(provider=vendor, amount=10, window_s=10)
    batch_of(20)
    settle_all(claimed(me, 1).tickets, NOW, error=RateLimited("Slow down.", retry_after_s=0.5))
    assert lane().paced
    first = claimed(me, now=at(2), ahead_s=0.5)
    assert len(first.tickets) == 1
    assert first.next_at == at(2 + 1.03)
    assert first.tickets[0].gap_s == pytest.approx(1.03)
    assert first.again_at == at(2 + 1.03 - 0.3)
    # after ten windows without a refusal bursts are tried again
    Attempt.objects.update(on_wire_at=at(2), ended_at=at(3))
    assert len(claimed(me, now=at(101)).tickets) > 1
    assert not lane().paced


def test_what_a_clock_sent_that_was_ahead_holds_no_paced_lane_back(me, vendor):
    Quota.objects.create(provider=vendor, amount=10, window_s=10)
    batch_of(2)
    claimed(me, 1, now=at(86_400))
    Lane.objects.update(paced=True, paced_since=NOW)
    assert len(claimed(me, 1).tickets) == 1


def test_bursts_that_were_tried_in_vain_are_left_for_twice_as_long(me, vendor):
    Quota.objects.create(provider=vendor, amount=10, window_s=10)
    batch_of(20)
    for moment in (0, 150):
        Lane.objects.update(paced=False, paused_until=None)
        settle_all(claimed(me, 1, now=at(moment)).tickets, at(moment), error=RateLimited("No.", retry_after_s=0.1))
    assert lane().paced_times == 2
    claimed(me, 1, now=at(150 + 150))
    assert lane().paced
    claimed(me, 1, now=at(150 + 201))
    assert not lane().paced


def test_a_refusal_at_the_edge_of_our_window_widens_the_guard_instead(me, vendor):
    Quota.objects.create(provider=vendor, amount=2, window_s=10)
    batch_of(5)
    settle_all(claimed(me, 2).tickets, NOW, accepted_id="", units={"calls": 1})
    again = claimed(me, 1, now=at(10.03))
    assert len(again.tickets) == 1
    settle_all(again.tickets, at(10.03), error=RateLimited("Slow down.", retry_after_s=0.1))
    assert not lane().paced
    assert lane().guard_s == pytest.approx(0.03 + 0.4)


def test_what_was_refused_for_haste_takes_no_place_in_our_windows(me, vendor):
    Quota.objects.create(provider=vendor, amount=1, window_s=7200)
    batch_of(2)
    settle_all(claimed(me, 1).tickets, NOW, error=RateLimited("Slow down.", retry_after_s=1))
    assert Usage.objects.get().requests == 0
    assert len(claimed(me, 1, now=at(5)).tickets) == 1


def test_what_we_held_back_ourselves_is_ready_at_once_and_nobodys_failure(me, vendor):
    batch_of(1)
    settle_all(claimed(me).tickets, NOW, error=HeldBack("The vendor asked to slow down before this was sent."))
    step, attempt = Step.objects.get(), Attempt.objects.get()
    assert (step.state, step.not_before, attempt.outcome) == (State.READY, NOW, "not_sent")
    assert lane().failures_in_row == 0
    assert Usage.objects.get().requests == 0


def test_what_we_held_back_until_a_moment_is_not_claimed_before_it(me, vendor):
    batch_of(1)
    settle_all(claimed(me).tickets, NOW, error=HeldBack("Too close to what left before it.", again_in_s=30))
    assert (Step.objects.get().state, Step.objects.get().not_before) == (State.READY, at(30))


# -- failures --------------------------------------------------------------------------------------------


def fail(me, count, moment, slug="sim_instant"):
    tickets = claimed(me, count, now=at(moment), slug=slug).tickets
    settle_all(tickets, at(moment), error=NotSent("Nobody there."))
    Step.objects.filter(state=State.READY).update(not_before=NOW)
    return len(tickets)


def test_five_failures_in_a_row_stop_the_lane_and_then_exactly_one_call_is_let_through(me, vendor):
    batch_of(10)
    assert fail(me, 4, 0) == 4
    assert lane().broken_until is None
    assert fail(me, 1, 1) == 1
    assert lane().broken_until == at(6)
    waiting = claimed(me, now=at(3))
    assert (waiting.tickets, waiting.next_at) == ([], at(6))
    probe = claimed(me, now=at(6)).tickets
    assert len(probe) == 1
    assert claimed(me, now=at(7)).tickets == []
    settle_all(probe, at(8), error=NotSent("Nobody there."))
    assert lane().broken_until == at(8 + 10)  # twice as long
    probe = claimed(me, now=at(20)).tickets
    settle_all(probe, at(21), units={"calls": 1})
    assert (lane().broken_until, lane().failures_in_row, lane().broken_times) == (None, 0, 0)
    assert len(claimed(me, now=at(22)).tickets) > 1


def test_a_vendor_that_stays_away_for_months_is_still_counted(me, vendor):
    batch_of(10)
    Lane.objects.update(broken_times=32_767)
    assert fail(me, 5, 0) == 5
    assert (lane().broken_until, lane().broken_times) == (at(300), 999)


def test_a_success_in_between_begins_the_count_anew(me, vendor):
    batch_of(10)
    fail(me, 4, 0)
    settle_all(claimed(me, 1, now=at(1)).tickets, at(1), units={"calls": 1})
    assert fail(me, 4, 2) == 4
    assert lane().broken_until is None


def test_more_than_half_of_a_minute_failed(me, jobs_vendor):
    batch_of(40)
    for n in range(4):
        settle_all(claimed(me, 1, now=at(n), slug="sim_jobs").tickets, at(n), units={"calls": 1})
        assert lane().broken_until is None
        Attempt.objects.filter(ended_at=None).update(ended_at=at(n))
        tickets = claimed(me, 2, now=at(n), slug="sim_jobs").tickets
        settle_all(tickets, at(n), failed=Failed(reason="It broke."))
    assert lane().broken_until is not None


def test_a_declined_prompt_is_no_failure_of_the_lane(me, vendor):
    batch_of(6)
    settle_all(claimed(me, 6).tickets, NOW, failed=Failed(reason="Declined.", moderated=True))
    assert (lane().failures_in_row, lane().broken_until) == (0, None)


def test_a_job_that_ends_because_the_account_is_empty_pauses_the_provider_and_costs_no_step_a_try(me, jobs_vendor):
    batch_of(1)
    [ticket] = claimed(me, slug="sim_jobs").tickets
    settle_all([ticket], NOW, accepted_id="job-1")
    empty = Failed(reason="The credits ran out meanwhile.", out_of_credit=True)
    settle.settle_polls([Answer(ticket=ticket, ended_at=at(5), failed=empty)], at(5))
    step, attempt = Step.objects.get(), Attempt.objects.get()
    assert (step.state, step.failures, step.message, step.not_before) == (State.READY, 0, "", at(5))
    assert (attempt.ended_at, attempt.cost_micro, attempt.message) == (at(5), 0, empty.reason)
    assert LedgerEntry.objects.aggregate(left=Sum("reserved_micro"))["left"] == 0
    jobs_vendor.refresh_from_db()
    assert (jobs_vendor.paused, jobs_vendor.pause_reason) == (True, empty.reason)
    assert (lane().failures_in_row, lane().broken_until) == (0, None)
    assert not claimed(me, now=at(6), slug="sim_jobs").tickets


def test_a_cancelled_job_that_ends_because_the_account_is_empty_stays_cancelled(me, jobs_vendor):
    batch_of(1)
    [ticket] = claimed(me, slug="sim_jobs").tickets
    settle_all([ticket], NOW, accepted_id="job-1")
    Step.objects.update(cancel_asked=True)
    empty = Failed(reason="The credits ran out meanwhile.", out_of_credit=True)
    settle.settle_polls([Answer(ticket=ticket, ended_at=at(5), failed=empty)], at(5))
    assert Step.objects.get().state == State.CANCELLED
    jobs_vendor.refresh_from_db()
    assert jobs_vendor.paused


def test_lost_answers_count_as_failures(me, vendor):
    batch_of(6)
    settle_all(claimed(me, 5).tickets, NOW, error=Unknown("Cut off."))
    assert lane().broken_until == at(5)
