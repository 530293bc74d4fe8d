from __future__ import annotations

import random
from collections import Counter

import pytest

from jobs.shares import MEMORY, PATIENCE, Candidate, Shares

LANE = 7


def wanting(*batches: int, lane: int = LANE, priority: int = 0, weight: int = 1) -> dict[int, Candidate]:
    return {b: Candidate(batch=b, lane=lane, priority=priority, weight=weight) for b in batches}


def claims(candidates, count, *, shares=None, group=1):
    """As the engine does it: what it remembers is read anew for every group."""
    order = [(LANE, batch) for batch in shares or ()]
    begun = len(order)
    while len(order) < begun + count:
        now = Shares.of(order[-MEMORY:])
        for _ in range(group):
            batch = now.next(candidates)
            now.took(candidates[batch].lane, batch)
            order.append((candidates[batch].lane, batch))
    return [batch for _, batch in order[begun:]]


def least_and_most(order, batch, *, of=50):
    counts = [order[start : start + of].count(batch) for start in range(len(order) - of + 1)]
    return min(counts), max(counts)


@pytest.mark.parametrize("group", [1, 3, 16])
@pytest.mark.parametrize("before", [(), [2] * 100, [3] * 100, [2, 3] * 50])
def test_two_equals_get_40_to_60_percent_of_any_50_claims_whoever_came_first(group, before):
    least, most = least_and_most(claims(wanting(2, 3), 400, shares=before, group=group), 2)
    assert 20 <= least <= most <= 30


def test_many_equals_take_turns():
    order = claims(wanting(*range(1, 31)), 300)
    assert set(Counter(order).values()) == {10}


def test_more_equals_than_are_remembered_take_turns_too():
    assert set(Counter(claims(wanting(*range(1, 201)), 600)).values()) == {3}


@pytest.mark.parametrize(("light", "heavy"), [(1, 2), (1, 3), (2, 3)])
def test_weights_share_by_weight(light, heavy):
    order = claims({**wanting(1, weight=light), **wanting(2, weight=heavy)}, 300)
    due = 60 * heavy / (light + heavy)
    least, most = least_and_most(order, 2, of=60)
    assert due - 1 <= least <= most <= due + 1


def test_a_higher_priority_goes_first_and_one_claim_in_20_goes_to_those_behind_it():
    order = claims({**wanting(1, 2), **wanting(3, priority=1)}, 200)
    assert order[:PATIENCE] == [3] * PATIENCE
    assert Counter(order) == {3: 191, 1: 5, 2: 4}
    assert least_and_most(order, 3, of=PATIENCE)[0] == PATIENCE - 1


def test_of_three_priorities_the_lowest_does_not_starve():
    order = claims({**wanting(1), **wanting(2, priority=1), **wanting(3, priority=2)}, 800)
    assert Counter(order)[1] >= 15


def test_each_lane_is_shared_by_itself():
    """The second batch has used the other lane alone: that does not count against it here."""
    order = [(LANE + 1, 2)] * 30
    shares = Shares.of(order)
    got = []
    for _ in range(40):
        batch = shares.next(wanting(1, 2))
        shares.took(LANE, batch)
        got.append(batch)
    assert Counter(got) == {1: 20, 2: 20}


def test_batches_that_come_and_go_leave_the_others_equal():
    chance, shares, order = random.Random(5), Shares(), []
    for turn in range(2000):
        some = {} if turn // 100 % 2 else wanting(*chance.sample(range(10, 20), 3))
        candidates = {**wanting(1, 2), **some}
        batch = shares.next(candidates)
        shares.took(LANE, batch)
        order.append(batch)
    of_both = [batch for batch in order if batch in (1, 2)]
    least, most = least_and_most(of_both, 1)
    assert 20 <= least <= most <= 30
