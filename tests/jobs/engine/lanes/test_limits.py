"""What counts against the limits of a lane, how long, and what vendors tell of them."""

from __future__ import annotations

import logging

import pytest

from jobs.engine import hearing, settle
from jobs.engine.calls import Answer
from jobs.models import Attempt
from providers.exceptions import NotSent
from providers.models import Lane, Offer, Quota, Usage
from providers.types import CALLS_AT_ONCE, Capability, Request, VendorLimit
from tests.simulator_adapter import SimInstant

from .kit import NOW, at, batch_of, claimed, lane, settle_all

pytestmark = [pytest.mark.engine, pytest.mark.django_db]


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
    assert [ticket.send_at for ticket in ahead.tickets] == [at(10.03), at(10.03)]
    assert set(Attempt.objects.filter(ended_at=None).values_list("sent_at", flat=True)) == {at(10.03)}
    assert claimed(me, now=at(9.9), ahead_s=0.5).next_at == at(20.06)


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
    assert full.next_at == at(86_400 + 259.2)  # the guard is 0.3 %
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
