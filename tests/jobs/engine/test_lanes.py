"""What answers teach a lane: refusals, failures, late sends, limits told in headers, tokens counted."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Sum

from jobs.engine import hearing, settle, worker
from jobs.engine.calls import Answer
from jobs.engine.claim import claim
from jobs.models import Attempt, LedgerEntry, Step
from jobs.settings_types import BatchSettings
from jobs.states import State
from providers import registry
from providers.exceptions import HeldBack, NotSent, RateLimited, Unknown
from providers.models import Lane, Offer, Price, Quota, Usage
from providers.types import CALLS_AT_ONCE, Capability, Failed, Request, VendorLimit
from tests.factories import a_batch, a_provider
from tests.simulator_adapter import SimInstant, SimJobs

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def me():
    registry.register(SimInstant)
    registry.register(SimJobs)
    mine = worker.enlist("generation", NOW)
    yield mine
    worker.let_go(str(mine.pk))
    for adapter in (SimInstant, SimJobs):
        registry._extra.pop(adapter.slug, None)


@pytest.fixture
def vendor(me):
    provider = a_provider("sim_instant", micro=100)
    Price.objects.update(valid_from=datetime(2020, 1, 1, tzinfo=UTC))
    return provider


@pytest.fixture
def jobs_vendor(me):
    provider = a_provider("sim_jobs", micro=100)
    Price.objects.update(valid_from=datetime(2020, 1, 1, tzinfo=UTC))
    return provider


def batch_of(count):
    return a_batch(*(f"topic {n}" for n in range(count)), settings=BatchSettings(script_gate=True), now=NOW)


def claimed(me, places=16, *, now=NOW, slug="sim_instant", **options):
    return claim(slug, me, places, lambda: now, **options)


def settle_all(tickets, now, **values):
    settle.settle_calls([Answer(ticket=t, on_wire_at=now, ended_at=now, **values) for t in tickets], now)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def lane():
    return Lane.objects.get(offer=None)


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
    again = claimed(me, 1, now=at(10.04))
    assert len(again.tickets) == 1
    settle_all(again.tickets, at(10.04), error=RateLimited("Slow down.", retry_after_s=0.1))
    assert not lane().paced
    assert lane().guard_s == pytest.approx(0.04 + 0.4)


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


# -- guard -------------------------------------------------------------------------------------------------


def test_requests_that_left_late_widen_the_guard(me, vendor):
    Quota.objects.create(provider=vendor, amount=1, window_s=10)
    batch_of(2)
    settle_all(claimed(me, 1).tickets, NOW, units={"calls": 1}, delay_s=0.2)
    assert lane().guard_s == pytest.approx(0.22)
    assert claimed(me, now=at(10.2)).next_at == at(10.22)


def test_a_way_that_is_known_to_vary_is_guarded_from_the_start(me, vendor):
    Quota.objects.create(provider=vendor, amount=1, window_s=10)
    Lane.objects.update(jitter_s=0.3)
    batch_of(2)
    settle_all(claimed(me, 1).tickets, NOW, units={"calls": 1})
    assert claimed(me, now=at(10.1)).next_at == at(10.3)


# -- ahead of the moment -------------------------------------------------------------------------------------


def test_places_are_claimed_ahead_and_say_when_they_may_leave(me, vendor):
    Quota.objects.create(provider=vendor, amount=2, window_s=10)
    batch_of(5)
    settle_all(claimed(me, 2).tickets, NOW, units={"calls": 1})
    assert claimed(me, now=at(9.5), ahead_s=0.5).tickets == []
    ahead = claimed(me, now=at(9.8), ahead_s=0.5)
    assert [ticket.send_at for ticket in ahead.tickets] == [at(10.04), at(10.04)]
    assert set(Attempt.objects.filter(ended_at=None).values_list("sent_at", flat=True)) == {at(10.04)}
    assert claimed(me, now=at(9.9), ahead_s=0.5).next_at == at(20.08)


def test_a_spacing_is_a_quota_of_one(me, vendor):
    Quota.objects.create(provider=vendor, amount=1, window_s=0.5)
    batch_of(3)
    first = claimed(me, ahead_s=0.5)
    assert len(first.tickets) == 1
    settle_all(first.tickets, NOW, units={"calls": 1})
    assert [t.send_at for t in claimed(me, now=at(0.3), ahead_s=0.5).tickets] == [at(0.52)]


# -- long windows ----------------------------------------------------------------------------------------------


def test_a_days_quota_counts_hours_and_knows_when_the_oldest_leave(me, vendor):
    Quota.objects.create(provider=vendor, amount=3, window_s=86_400)
    batch_of(6)
    for hours in (0, 5, 5.5):
        settle_all(claimed(me, 1, now=at(3600 * hours)).tickets, at(3600 * hours), units={"calls": 1})
    full = claimed(me, now=at(3600 * 6))
    assert full.tickets == []
    assert full.next_at == at(86_400 + 345.6)  # the guard is 0.4 %
    assert len(claimed(me, now=full.next_at).tickets) == 1
    assert sum(Usage.objects.values_list("requests", flat=True)) == 4


def test_what_was_never_sent_leaves_the_hours(me, vendor):
    Quota.objects.create(provider=vendor, amount=1, window_s=86_400)
    batch_of(2)
    settle_all(claimed(me).tickets, NOW, error=NotSent("Nobody there."))
    assert Usage.objects.get().requests == 0
    assert len(claimed(me, now=at(1)).tickets) == 1


def test_a_quota_of_an_hour_is_exact_at_its_edges(me, vendor):
    Quota.objects.create(provider=vendor, amount=2, window_s=3600)
    batch_of(6)
    for minutes in (50, 70):
        settle_all(claimed(me, 1, now=at(60 * minutes)).tickets, at(60 * minutes), units={"calls": 1})
    full = claimed(me, now=at(60 * 80))
    assert full.next_at == at(60 * 110 + 20)
    settle_all(claimed(me, now=full.next_at).tickets, full.next_at, units={"calls": 1})
    assert claimed(me, now=at(60 * 111)).next_at == at(60 * 130 + 20)


# -- tokens ------------------------------------------------------------------------------------------------------


def test_tokens_are_reserved_by_estimate_and_settled_by_what_the_vendor_counts(me, vendor):
    Quota.objects.create(provider=vendor, unit="tokens", amount=6, window_s=60)
    batch_of(4)
    first = claimed(me)
    assert [a.tokens for a in Attempt.objects.all()] == [3, 3]  # 7 characters, a quarter of them and 30 % more
    assert claimed(me, now=at(1)).tickets == []
    answers = [
        Answer(ticket=ticket, on_wire_at=NOW, ended_at=at(1), units={"input_tokens": n, "tokens": n})
        for ticket, n in zip(first.tickets, (1, 2), strict=True)
    ]
    settle.settle_calls(answers, at(1))
    assert sorted(Attempt.objects.values_list("tokens", flat=True)) == [1, 2]
    assert Usage.objects.get().tokens == 3
    assert len(claimed(me, now=at(2)).tickets) == 1


def test_a_vendor_that_keeps_what_it_reserved_is_believed():
    request = Request(capability=Capability.SCRIPT, offer="one", prompt="x" * 400, extra={"max_tokens": 1000})
    assert SimInstant.most_tokens(request) == 130 + 1000
    assert SimInstant.counted_tokens(request, {"input_tokens": 90, "output_tokens": 50}, 1130) == 1090
    assert SimInstant.counted_tokens(request, {"tokens": 140}, 1130) == 1130
    assert SimInstant.counted_tokens(request, {}, 1130) == 1130


# -- what vendors tell ---------------------------------------------------------------------------------------------


def test_a_lower_limit_is_obeyed_and_a_higher_one_is_not(me, vendor):
    Quota.objects.create(provider=vendor, amount=5, window_s=60)
    batch_of(12)
    settle_all(claimed(me, 1).tickets, NOW, units={"calls": 1}, limits=(VendorLimit(unit="requests", limit=3),))
    quota = Quota.objects.get()
    assert (quota.amount, quota.learned_amount, quota.learned_at, quota.granted) == (5, 3, NOW, 3)
    assert len(claimed(me, now=at(1)).tickets) == 2
    Attempt.objects.update(on_wire_at=NOW, ended_at=NOW)
    higher = (VendorLimit(unit="requests", limit=50),)
    settle_all(claimed(me, 1, now=at(100)).tickets, at(100), units={"calls": 1}, limits=higher)
    assert Quota.objects.get().granted == 3


def told_at_once(*caps):
    return {"units": {"calls": 1}, "limits": tuple(VendorLimit(unit=CALLS_AT_ONCE, limit=cap) for cap in caps)}


@pytest.mark.parametrize("allowed", [5, None])
def test_fewer_calls_at_once_than_were_allowed_are_obeyed_and_more_are_not(me, vendor, allowed):
    Lane.objects.update(max_in_flight=allowed)
    batch_of(12)
    settle_all(claimed(me, 1).tickets, NOW, **told_at_once(9, 3))
    assert (lane().max_in_flight, lane().learned_cap, lane().learned_cap_at, lane().places) == (allowed, 3, NOW, 3)
    tickets = claimed(me, now=at(1)).tickets
    assert len(tickets) == 3
    settle_all(tickets, at(2), **told_at_once(50))
    assert len(claimed(me, now=at(3)).tickets) == 3


def test_a_cap_below_what_the_vendor_allows_stays_the_admins(me, vendor):
    Lane.objects.update(max_in_flight=2)
    batch_of(12)
    settle_all(claimed(me, 1).tickets, NOW, **told_at_once(3))
    assert lane().learned_cap is None
    assert len(claimed(me, now=at(1)).tickets) == 2


def test_jobs_that_wait_at_the_vendor_come_on_top_of_what_it_allows_at_once(me, vendor):
    Lane.objects.update(max_in_flight=5, queues_ahead=2)
    batch_of(12)
    settle_all(claimed(me, 1).tickets, NOW, **told_at_once(3))
    assert len(claimed(me, now=at(1)).tickets) == 3 + 2


def test_what_others_used_of_the_account_counts(me, vendor):
    Quota.objects.create(provider=vendor, amount=10, window_s=60)
    batch_of(12)
    told = (VendorLimit(unit="requests", limit=10, remaining=2),)
    settle_all(claimed(me, 1).tickets, NOW, units={"calls": 1}, limits=told)
    assert Quota.objects.get().others_units == 7
    assert len(claimed(me, now=at(1)).tickets) == 2
    Attempt.objects.update(on_wire_at=NOW, ended_at=NOW)
    assert len(claimed(me, 16, now=at(61)).tickets) == 10  # the others' uses have left the window, too


def test_what_counts_longer_where_a_refusal_costs_dearly_is_not_taken_for_the_use_of_others(me, vendor):
    Quota.objects.create(provider=vendor, amount=10, window_s=60, strict=True)
    batch_of(2)
    settle_all(claimed(me, 1).tickets, NOW, units={"calls": 1})
    told = (VendorLimit(unit="requests", limit=10, remaining=8),)
    settle_all(claimed(me, 1, now=at(61)).tickets, at(61), units={"calls": 1}, limits=told)
    assert Quota.objects.get().others_units == 0


def test_nonsense_in_headers_is_survived_with_one_warning_that_names_the_lane(me, vendor, caplog):
    hearing._warned.clear()
    batch_of(2)
    with caplog.at_level(logging.WARNING):
        for n in range(2):
            settle_all(claimed(me, 1, now=at(n)).tickets, at(n), units={"calls": 1}, nonsense="x-ratelimit-limit: lots")
    said = [r.getMessage() for r in caplog.records if "make no sense" in r.getMessage()]
    assert len(said) == 1
    assert "sim_instant · script" in said[0]
    assert "lots" in said[0]


def test_an_offer_has_limits_of_its_own(me, vendor):
    other = Offer.objects.create(provider=vendor, capability="script", name="two", label="Two")
    Quota.objects.create(provider=vendor, offer=other, amount=1, window_s=60)
    batch_of(3)
    settle_all(claimed(me, 1).tickets, NOW, units={"calls": 1}, limits=(VendorLimit(unit="requests", limit=1),))
    assert Quota.objects.get().learned_amount is None
