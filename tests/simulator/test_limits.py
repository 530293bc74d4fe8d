import pytest

from tests.simulator.clock import Clock
from tests.simulator.limits import (
    Gate,
    allowed_in,
    fullest,
    most_at_once,
    most_in_a_fixed_window,
    most_in_a_window,
)
from tests.simulator.meters import Limit

ONE = {"requests": 1}


def a_gate(most=2, per_s=60.0, *, refused_count=False, lockout_s=0.0, **kind):
    return Gate([Limit(most=most, per_s=per_s, **kind)], refused_count=refused_count, lockout_s=lockout_s)


def asking(gate, *moments, counts=ONE):
    """None or the wait, of each request."""
    answers = [gate.admit(counts, now=now) for now in moments]
    return [answer and round(answer.wait_s, 6) for answer in answers]


# -- sliding -----------------------------------------------------------------------------------------


def test_the_last_place_of_a_window_is_given_and_one_more_waits_for_the_oldest_to_leave():
    assert asking(a_gate(), 0, 5, 10) == [None, None, 50]


@pytest.mark.parametrize(("now", "wait_s"), [(59.999, 0.001), (60, None), (60.001, None)])
def test_a_place_is_free_again_exactly_one_window_later(now, wait_s):
    assert asking(a_gate(), 0, 5, now)[-1] == wait_s


def test_the_longest_wait_of_several_windows_is_told():
    gate = Gate([Limit(most=1, per_s=10), Limit(most=2, per_s=60)])
    assert asking(gate, 0, 10, 12) == [None, None, 48]


def test_a_big_request_waits_until_enough_has_left():
    gate = a_gate(100, unit="tokens")
    assert [asking(gate, now, counts={"tokens": n})[0] for now, n in [(0, 30), (1, 30), (2, 40), (3, 50)]] == [
        None,
        None,
        None,
        58,
    ]


def test_what_was_reserved_and_not_used_is_free_when_the_answer_is_there():
    gate = a_gate(100, unit="tokens")
    gate.admit({"tokens": 100}, now=0)
    gate.give_back_later("tokens", 80, taken_at=0, due_at=5)
    assert asking(gate, 4.9, counts={"tokens": 80}) == [55.1]
    assert asking(gate, 5.0, counts={"tokens": 80}) == [None]


# -- the other manners -------------------------------------------------------------------------------


def test_a_fixed_window_is_empty_again_at_the_full_minute_whoever_came_late_in_the_last():
    assert asking(a_gate(policy="fixed"), 58, 59, 59.5, 60, 61, 62) == [None, None, 0.5, None, None, 58]


def test_a_bucket_gives_its_capacity_at_once_and_then_as_it_fills():
    gate = a_gate(60, 60, policy="bucket", capacity=3)
    assert asking(gate, 10, 10, 10, 10, 10.5, 11, 11) == [None, None, None, 1, 0.5, None, 1]


def test_slices_of_a_window_are_enforced_while_the_whole_is_told():
    gate = a_gate(60, 60, policy="sliced")
    assert asking(gate, 0.25, 0.5, 1.0) == [None, 0.5, None]
    told = gate.told(1.0)["requests"]
    assert (told.most, told.remaining) == (60, 58)


def test_refused_requests_count_where_the_vendor_says_so():
    assert asking(a_gate(1, 10), 0, 9, 11) == [None, 1, None]
    assert asking(a_gate(1, 10, refused_count=True), 0, 9, 11) == [None, 1, 8]


def test_one_refusal_locks_the_account_and_knocking_does_not_make_it_longer():
    gate = a_gate(1, 10, lockout_s=60)
    assert [gate.admit(ONE, now=now) and gate.admit(ONE, now=now).why for now in (0, 5)] == [None, "429 lockout"]
    assert asking(gate, 30, 64.9, 65) == [35, 0.1, None]


def test_time_of_judgement_never_goes_back():
    gate = a_gate(1, 10)
    assert asking(gate, 0, 10.0, 9.9995) == [None, None, 10]


def test_a_living_job_holds_its_place_until_it_ends():
    def knock(now, ends):
        return Gate([]).admit(ONE, now=now, ends=[end for end in ends if end > now], concurrency=2)

    refusal = knock(5, [8, 9])
    assert (refusal.why, refusal.wait_s) == ("429 concurrency", 3)
    assert knock(8, [8, 9]) is None


# -- what headers tell -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "remaining", "reset_s"),
    [
        ({"policy": "sliding"}, 8, 9),
        ({"policy": "fixed"}, 8, 8),
        ({"policy": "bucket"}, 9, 1),  # one a second comes back
    ],
)
def test_headers_tell_what_is_left_and_when_nothing_is_used_any_more(kind, remaining, reset_s):
    gate = a_gate(10, 10, **kind)
    asking(gate, 1, 2)
    told = gate.told(2 if kind["policy"] != "sliding" else 3)["requests"]
    assert (told.most, told.remaining, told.reset_s) == (10, remaining, reset_s)


# -- afterwards --------------------------------------------------------------------------------------


def test_the_fullest_window_is_found_in_the_books():
    assert most_in_a_window([0, 1, 2, 60, 61], 60) == 3
    assert most_in_a_window([0, 1, 59.9, 60], 60) == 3
    assert most_in_a_window([0, 1, 2], 60, [5, 6, 7]) == 18
    assert most_in_a_window([], 60) == 0
    assert most_in_a_fixed_window([58, 59, 60, 61, 62], 60) == 3


@pytest.mark.parametrize("policy", ["sliding", "fixed", "bucket", "sliced"])
def test_by_its_own_count_no_gate_lets_in_more_than_its_limit(policy):
    limit = Limit(most=20, per_s=10, policy=policy, capacity=7)
    gate = Gate([limit])
    taken = [now for now in (step / 37 for step in range(3000)) if not gate.admit(ONE, now=now)]
    most, allowed = fullest(limit, taken, [1] * len(taken))
    assert most == allowed == {"bucket": 7, "sliced": 2}.get(policy, 20)
    assert len(taken) <= allowed_in(limit, taken[0], taken[-1]) < len(taken) * 1.1


def test_what_was_possible_depends_on_where_the_windows_of_the_clock_begin():
    assert allowed_in(Limit(most=10, per_s=6, policy="fixed"), 5.9, 6.1) == 20
    assert allowed_in(Limit(most=10, per_s=6, policy="fixed"), 0.1, 5.9) == 10
    assert allowed_in(Limit(most=60, per_s=60, policy="sliced"), 0.5, 2.5) == 3
    assert allowed_in(Limit(most=10, per_s=6), 5.9, 6.1) == 10


def test_jobs_that_meet_end_to_start_do_not_overlap():
    assert most_at_once([(0, 5), (5, 9)]) == 1
    assert most_at_once([(0, 5), (4, None), (4.5, 6)]) == 3


def test_virtual_time_and_back():
    clock = Clock(1000.0, 60.0, wall=lambda: 1002.0)
    assert clock.now() == 120.0
    assert clock.real(120.0) == 1002.0
    assert clock.virtual(1002.0) == 120.0
