import pytest

from tests.simulator.clock import Clock
from tests.simulator.limits import Limit, admit, most_at_once, most_in_a_window

TWO_A_MINUTE = [Limit(2, 60)]


def asking_at(now, accepted, limits=TWO_A_MINUTE):
    return admit(accepted, [], now=now, limits=limits, concurrency=0)


def test_the_last_place_of_a_window_is_given():
    assert asking_at(1, [0]) is None


def test_one_more_than_the_limit_is_refused_until_the_oldest_leaves():
    refusal = asking_at(10, [0, 5])
    assert (refusal.why, refusal.wait_s) == ("429 window", 50)


@pytest.mark.parametrize(("now", "taken"), [(59.999, False), (60, True), (60.001, True)])
def test_a_place_is_free_again_exactly_one_window_later(now, taken):
    assert (asking_at(now, [0, 5]) is None) is taken


def test_the_longest_wait_of_several_windows_is_told():
    limits = [Limit(1, 10), Limit(2, 60)]
    assert asking_at(6, [0, 5], limits).wait_s == 54


def test_a_living_job_holds_its_place_until_it_ends():
    def asking(now, ends):
        return admit([], [end for end in ends if end > now], now=now, limits=[], concurrency=2)

    refusal = asking(5, [8, 9])
    assert (refusal.why, refusal.wait_s) == ("429 concurrency", 3)
    assert asking(8, [8, 9]) is None


def test_the_fullest_window_is_found_in_the_books():
    assert most_in_a_window([0, 1, 2, 60, 61], 60) == 3
    assert most_in_a_window([0, 1, 59.9, 60], 60) == 3
    assert most_in_a_window([], 60) == 0


def test_jobs_that_meet_end_to_start_do_not_overlap():
    assert most_at_once([(0, 5), (5, 9)]) == 1
    assert most_at_once([(0, 5), (4, None), (4.5, 6)]) == 3


def test_virtual_time_and_back():
    clock = Clock(1000.0, 60.0, wall=lambda: 1002.0)
    assert clock.now() == 120.0
    assert clock.real(120.0) == 1002.0
    assert clock.virtual(1002.0) == 120.0
