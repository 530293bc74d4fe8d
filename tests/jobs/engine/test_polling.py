from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import polling
from jobs.models import Attempt
from providers import registry
from providers.models import Lane, Provider
from providers.types import Capability, Request
from tests.simulator_adapter import SimJobs

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KIND = "one/5"


def a_lane(**durations: list[float]) -> Lane:
    return Lane(durations=dict(durations))


def an_attempt(at: datetime = NOW, slug: str = "nobody") -> Attempt:
    return Attempt(sent_at=at, on_wire_at=at, capability="clip", provider=Provider(slug=slug))


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def run_jobs(lane: Lane, durations: list[float], *, kind: str = KIND) -> list[tuple[int, float]]:
    """(polls, delay) of each, one after the other, as the engine asks and learns."""
    results = []
    for duration in durations:
        attempt, moment, polls = an_attempt(), polling.first_poll(lane, an_attempt(), NOW, kind=kind), 1
        while moment < after(duration):
            moment = polling.next_poll(lane, attempt, moment, kind=kind)
            polls += 1
        polling.learn(lane, attempt, moment, kind=kind)
        results.append((polls, (moment - after(duration)).total_seconds()))
    return results


def test_a_lane_without_memory_learns_within_a_few_jobs():
    lane = a_lane()
    chance = random.Random(3)
    results = run_jobs(lane, [chance.uniform(45, 180) for _ in range(100)])[10:]
    assert sum(polls for polls, _ in results) / len(results) <= 20
    assert sum(delay for _, delay in results) / len(results) <= 0.02 * 112


def test_a_vendor_that_becomes_faster_is_noticed():
    lane = a_lane(**{KIND: [100.0 + at for at in range(50)]})
    run_jobs(lane, [20.0] * 120)
    polls, delay = run_jobs(lane, [20.0])[0]
    assert delay < 4
    assert lane.fastest_s < 21


def test_a_vendor_that_becomes_slower_is_noticed():
    lane = a_lane(**{KIND: [10.0 + at / 50 for at in range(50)]})
    run_jobs(lane, [40.0 + at / 10 for at in range(50)])
    polls, delay = run_jobs(lane, [42.0])[0]
    assert polls <= 20
    assert delay < 1.5


def test_lengths_and_offers_are_learned_apart():
    lane = a_lane()
    short, long = (
        polling.like(Request(capability=Capability.CLIP, offer="one", prompt="", seconds=s)) for s in (5.0, 10.0)
    )
    run_jobs(lane, [10.0] * 6, kind=short)
    run_jobs(lane, [50.0] * 6, kind=long)
    first = [(polling.first_poll(lane, an_attempt(), NOW, kind=kind) - NOW).total_seconds() for kind in (short, long)]
    assert first[0] < 11
    assert first[1] > 40


def test_of_a_new_kind_the_whole_lane_tells():
    lane = a_lane(**{KIND: [30.0] * 10})
    assert polling.first_poll(lane, an_attempt(), NOW, kind="new/8") > after(25)


def test_a_lane_remembers_no_more_than_it_needs():
    lane = a_lane()
    for kind in range(polling.MOST_KINDS + 5):
        run_jobs(lane, [10.0] * 60, kind=str(kind))
    assert len(lane.durations) == polling.MOST_KINDS
    assert {len(seconds) for seconds in lane.durations.values()} == {polling.KEPT}


def test_a_clock_that_went_back_asks_as_if_it_had_just_begun():
    lane = a_lane(**{KIND: [30.0] * 10})
    assert polling.next_poll(lane, an_attempt(after(500)), NOW, kind=KIND) > NOW


def test_a_clock_that_went_ahead_teaches_nothing():
    lane = a_lane(**{KIND: [30.0] * 10})
    polling.learn(lane, an_attempt(), after(86_400), kind=KIND)
    assert lane.durations == {KIND: [30.0] * 10}


def test_a_poll_that_came_hours_late_teaches_no_hours():
    lane, attempt = a_lane(), an_attempt()
    due = polling.first_poll(lane, attempt, NOW, kind=KIND)
    polling.learn(lane, attempt, after(3600), kind=KIND, due=due)
    assert lane.slowest_s <= (due - NOW).total_seconds()


def test_a_poll_that_came_a_little_late_teaches_what_was_seen():
    lane = a_lane()
    polling.learn(lane, an_attempt(), after(100), kind=KIND, due=after(95))
    assert 90 < lane.slowest_s < 100


@pytest.mark.parametrize("late_s", [0.0, 0.3, 1.7, 7.1])
def test_a_webhook_that_did_not_come_is_missed_however_late_somebody_came_by(late_s):
    for slowest_s in (1.01, 1.29, 3.33, 40.07):
        lane = a_lane(**{KIND: [slowest_s] * 30})
        for missed in range(1, polling.HOOKS_TO_MISS + 1):
            due = polling.first_poll(lane, an_attempt(), NOW, kind=KIND, hooked=True)
            seen = due + timedelta(seconds=late_s)
            polling.learn(lane, an_attempt(), seen, kind=KIND, hooked=True, due=due)
            assert lane.hooks_missed == missed


def test_a_webhook_that_came_is_not_missed_though_somebody_came_by_late():
    lane = a_lane(**{KIND: [1.29] * 30})
    polling.learn(lane, an_attempt(), after(5.0), kind=KIND, hooked=True, due=after(1.1))
    assert lane.hooks_missed == 0
    assert lane.durations[KIND][-1] == pytest.approx(1.1)


def test_a_job_that_lasts_for_hours_is_asked_every_minute_while_nothing_is_known():
    asked = polling.next_poll(a_lane(), an_attempt(), after(5000), kind=KIND)
    assert after(5000) < asked <= after(5000 + 60)


def test_before_anything_is_learned_the_adapter_says_what_is_usual(monkeypatch):
    monkeypatch.setattr(SimJobs, "usual_s", {Capability.CLIP: (45.0, 180.0)})
    monkeypatch.setitem(registry._extra, "sim_jobs", SimJobs)
    attempt, lane = an_attempt(slug="sim_jobs"), a_lane()
    first = polling.first_poll(lane, attempt, NOW, kind=KIND)
    assert after(35) < first < after(60)
    assert polling.first_poll(lane, an_attempt(), NOW, kind=KIND) < after(5)
    polling.learn(lane, attempt, after(20), kind=KIND)
    assert polling.first_poll(lane, attempt, NOW, kind=KIND) < after(25)


def test_jobs_that_are_asked_together_are_asked_more_often_for_fewer_calls():
    lane, calls = a_lane(**{KIND: [6 + at / 8 for at in range(48)]}), []
    for count in (1, 4):
        jobs = [polling.Asked(lane, an_attempt(), KIND, False)] * count
        moment, asked = after(7), 0
        while moment < after(11):
            moment = polling.ask_again(jobs, moment)
            asked += 1
        calls.append(asked)
    alone, of_four = calls
    assert 1.7 * alone < of_four < 2.3 * alone  # the root of four: half the calls a job


def test_one_that_rests_holds_up_nobody():
    lane = a_lane(**{KIND: [6 + at / 8 for at in range(48)]})
    soon = polling.Asked(lane, an_attempt(), KIND, False)
    overdue = polling.Asked(lane, an_attempt(after(-500)), KIND, False)
    assert polling.ask_again([soon, overdue], after(8)) < after(8.6)


def test_calls_for_many_jobs_keep_a_distance():
    lane = a_lane(**{KIND: [6 + at / 8 for at in range(48)]})
    jobs = [polling.Asked(lane, an_attempt(), KIND, False)] * 100
    assert polling.ask_again(jobs, after(8)) >= after(8 + polling.SHARED_STEP_S)
