from __future__ import annotations

import random
from statistics import mean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.poll_plan import MOST_STEP_S, Plan, plan_of

STEP_S = 0.25


def seen(fastest: float, slowest: float, *, count: int = 50, seed: int = 1) -> tuple[float, ...]:
    chance = random.Random(seed)
    return tuple(chance.uniform(fastest, slowest) for _ in range(count))


def polls_of(plan: Plan, duration: float) -> list[float]:
    ages = [plan.next_age(0.0)]
    while ages[-1] < duration:
        ages.append(plan.next_age(ages[-1]))
    return ages


def figures(durations, *, truth) -> tuple[float, float]:
    """(polls of a job, delay as a share of the median duration), both on average over what jobs truly take."""
    plan = plan_of(tuple(durations), least_step_s=STEP_S)
    asked = [polls_of(plan, duration) for duration in truth]
    delays = [ages[-1] - duration for ages, duration in zip(asked, truth, strict=True)]
    return mean(len(ages) for ages in asked), mean(delays) / median(truth)


def test_nothing_is_planned_from_nothing():
    assert plan_of((), least_step_s=STEP_S) is None


@pytest.mark.parametrize("seed", range(5))
def test_jobs_of_45_to_180_s_are_known_within_2_percent_by_20_polls(seed):
    polls, delay = figures(seen(45, 180, seed=seed), truth=seen(45, 180, count=2000, seed=99))
    assert polls <= 20
    assert delay <= 0.02


@pytest.mark.parametrize("seed", range(5))
def test_short_jobs_are_not_asked_more_often_than_a_few_times_a_second(seed):
    polls, delay = figures(seen(6, 12, seed=seed), truth=seen(6, 12, count=2000, seed=99))
    assert polls <= 14
    assert delay <= 0.016


def test_even_steps_with_as_many_polls_know_it_later():
    truth = seen(6, 12, count=2000, seed=99)
    polls, delay = figures([6 + 6 * at / 200 for at in range(1, 200)], truth=truth)
    even = 3 / (polls - 0.5)  # the mean wait over the polls that even steps take for it
    assert delay * median(truth) < 0.95 * even / 2


def test_jobs_that_always_take_the_same_need_few_polls():
    polls, delay = figures([10.0] * 50, truth=seen(9.95, 10.05, count=200))
    assert polls <= 6
    assert delay <= 0.02


def test_two_kinds_of_jobs_are_asked_where_they_end_and_hardly_between():
    both = (*seen(10, 12, count=25), *seen(60, 70, count=25))
    plan = plan_of(both, least_step_s=STEP_S)
    ages = polls_of(plan, 100)
    between = sum(20 < age < 55 for age in ages) / 35
    at_the_ends = sum(9 < age < 13 or 58 < age < 72 for age in ages) / 18
    assert at_the_ends > 1.5 * between


def test_before_the_fastest_nobody_asks_and_what_asks_does_not_move_it():
    plan = plan_of(seen(45, 180), least_step_s=STEP_S)
    first = plan.next_age(0.0)
    assert first > 40
    assert plan.next_age(20.0) == pytest.approx(first)


def test_beyond_the_slowest_steps_grow_to_a_minute():
    plan = plan_of(seen(45, 180), least_step_s=STEP_S)
    steps = [plan.next_age(age) - age for age in (200, 300, 600, 7000)]
    assert steps == sorted(steps)
    assert steps[0] < 5
    assert steps[-1] == MOST_STEP_S


@given(
    st.lists(st.floats(0, 10_000), min_size=1, max_size=60),
    st.floats(0, 20_000),
    st.floats(0.01, 5),
    st.floats(1, 30),
)
def test_whatever_was_seen_the_next_poll_comes_later_and_within_reach(durations, age, least, most):
    plan = plan_of(tuple(durations), least_step_s=least, most_polls=most)
    at = plan.next_age(age)
    assert age < at <= max(age, plan.fastest_s) + max(MOST_STEP_S, 0.05 * plan.slowest_s) + plan.slowest_s
    assert 0 <= plan.gap_before(at) <= at
    assert plan.fastest_s <= min(durations) <= max(durations) <= plan.slowest_s
