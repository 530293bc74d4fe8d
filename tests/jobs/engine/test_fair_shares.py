"""Who gets the places of a lane that several batches want, by real claims on both databases and a clock of our own."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import worker
from jobs.engine.claim import claim
from jobs.models import Attempt, Batch, Step
from jobs.settings_types import BatchSettings
from jobs.shares import PATIENCE
from jobs.states import State
from providers import registry
from providers.models import Lane, Price, Quota
from tests.factories import a_batch, a_provider
from tests.simulator_adapter import SimInstant

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]  # one alone would fill with dead rows
NOW = datetime(2030, 1, 1, tzinfo=UTC)
SLOW = pytest.mark.slow
LOW, NORMAL, HIGH = Batch.Priority.LOW, Batch.Priority.NORMAL, Batch.Priority.HIGH


class Market:
    """One provider, one lane, and as many claims as there is room for; calls take as long as their batch's do."""

    def __init__(self, me, provider):
        self.me, self.provider, self.now = me, provider, NOW
        self.takes_s: dict[int, float] = {}
        self.order: list[int] = []

    def batch(self, count, *, takes_s=0.0, weight=1, **values):
        topics = (f"topic {n}" for n in range(count))
        made = a_batch(*topics, settings=BatchSettings(script_gate=True), now=NOW, **values)
        Batch.objects.filter(pk=made.pk).update(weight=weight)
        self.takes_s[made.pk] = takes_s
        return made

    def until(self, claims, *, places=16, every_s=0.5):
        """Claims again and again, as places and calls come free; returns the batches in the order of their claims."""
        for _ in range(50 * claims):
            self._end_calls()
            tickets = claim(self.provider.slug, self.me, places, lambda: self.now).tickets
            self.order += [row.batch_id for row in self._steps([ticket.step_id for ticket in tickets])]
            if len(self.order) >= claims:
                return self.order
            self.now += timedelta(seconds=every_s)
        raise AssertionError(f"only {len(self.order)} claims")

    def _steps(self, ids):
        rows = Step.objects.in_bulk(ids)
        return [rows[pk] for pk in ids]

    def _end_calls(self):
        for batch, seconds in self.takes_s.items():
            over = Attempt.objects.filter(
                step__batch=batch, ended_at=None, sent_at__lte=self.now - timedelta(seconds=seconds)
            )
            steps = list(over.values_list("step", flat=True))
            over.update(ended_at=self.now, on_wire_at=self.now)
            Step.objects.filter(pk__in=steps).update(state=State.DONE, finished_at=self.now)


@pytest.fixture
def market():
    registry.register(SimInstant)
    me = worker.enlist("generation", NOW)
    provider = a_provider("sim_instant", micro=100)
    Price.objects.update(valid_from=NOW - timedelta(days=1))
    yield Market(me, provider)
    worker.let_go(str(me.pk))
    registry._extra.pop(SimInstant.slug, None)


def assert_even(order, batch, *, of=50):
    for start in range(len(order) - of + 1):
        assert 0.4 * of <= order[start : start + of].count(batch.pk) <= 0.6 * of, (start, order)


@SLOW
@pytest.mark.parametrize("slower_s", [0.0, 3.0, 60.0])
def test_two_equal_batches_share_a_lane_that_its_quota_saturates_however_long_their_calls_take(market, slower_s):
    Quota.objects.create(provider=market.provider, amount=7, window_s=1)
    quick, _slow = market.batch(60), market.batch(60, takes_s=slower_s)
    assert_even(market.until(80), quick)


@SLOW
@pytest.mark.parametrize("slower_s", [0.0, 3.0])
def test_two_equal_batches_share_a_lane_that_its_places_saturate_however_long_their_calls_take(market, slower_s):
    Lane.objects.update(max_in_flight=5)
    quick, _slow = market.batch(90), market.batch(90, takes_s=slower_s)
    assert_even(market.until(120), quick)


@SLOW
def test_a_batch_that_comes_later_gets_its_half_and_no_more(market):
    Quota.objects.create(provider=market.provider, amount=5, window_s=1)
    first = market.batch(180)
    market.until(100)
    market.order.clear()
    market.batch(90)
    assert_even(market.until(120), first)


def test_weights_share_by_weight(market):
    light, heavy = market.batch(60), market.batch(60, weight=2)
    order = market.until(80, places=8)
    assert Counter(order[:60]) == {light.pk: 20, heavy.pk: 40}


def test_weights_share_one_large_claim_too(market):
    light, heavy = market.batch(20), market.batch(20, weight=3)
    assert Counter(market.until(16)) == {light.pk: 4, heavy.pk: 12}


def test_a_higher_priority_goes_first(market):
    low, normal, urgent = (market.batch(6, priority=priority) for priority in (LOW, NORMAL, HIGH))
    assert market.until(18, places=3) == [urgent.pk] * 6 + [normal.pk] * 6 + [low.pk] * 6


@SLOW
def test_nobody_starves_behind_an_endless_batch_of_higher_priority(market):
    Quota.objects.create(provider=market.provider, amount=5, window_s=1)
    low, normal = market.batch(5, priority=LOW), market.batch(5)
    endless = market.batch(200, priority=HIGH)
    order = market.until(6 * PATIENCE)  # five at a time, and among those in the order of their ranks
    assert order[:PATIENCE] == [endless.pk] * PATIENCE
    assert Counter(order)[low.pk] >= 2
    assert Counter(order)[normal.pk] >= 2
    assert Counter(order)[endless.pk] >= 0.94 * len(order)


@pytest.mark.slow
def test_a_batch_that_nothing_lets_start_keeps_nobody_from_a_turn(market):
    """It waits longest of all, and is passed over each time."""
    poor = market.batch(5, priority=LOW, cap_micro=0)
    urgent, other = market.batch(60, priority=HIGH), market.batch(5)
    order = market.until(63, places=4)
    assert Counter(order)[urgent.pk] == 60
    assert Counter(order)[other.pk] >= 2
    assert poor.pk not in order
