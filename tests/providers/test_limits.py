from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.limits import Window, guard_of, room

WINDOW = Window(amount=3, seconds=10)


def test_an_empty_window_has_room_for_all():
    assert room(WINDOW, [], 0.0) == (3, 0.0)


def test_a_full_window_says_when_the_oldest_leaves_it():
    assert room(WINDOW, [(0, 1), (1, 1), (2, 1)], 5.0) == (0, 10.0)


def test_the_end_of_a_use_is_not_included():
    assert room(WINDOW, [(0, 3)], 9.999) == (0, 10.0)
    assert room(WINDOW, [(0, 3)], 10.0) == (3, 10.0)


def test_the_guard_makes_a_use_count_longer():
    assert room(Window(amount=1, seconds=10, guard_s=0.5), [(0, 1)], 10.4) == (0, 10.5)


def test_more_than_one_unit_waits_until_enough_have_left():
    used = [(0, 1), (1, 1), (2, 1)]
    assert room(WINDOW, used, 5.0, want=2) == (0, 11.0)
    assert room(WINDOW, used, 5.0, want=3) == (0, 12.0)


def test_more_than_the_whole_quota_waits_for_the_whole_quota():
    assert room(WINDOW, [(0, 1)], 5.0, want=99) == (2, 10.0)
    assert room(WINDOW, [], 5.0, want=99) == (3, 5.0)


def test_a_quota_that_was_lowered_below_its_use_is_waited_out():
    left, at = room(WINDOW, [(0, 2), (1, 2), (2, 2)], 5.0)
    assert (left, at) == (0, 11.0)


def test_the_guard_grows_with_the_window_and_is_never_nothing():
    assert guard_of(1) == 0.02
    assert guard_of(60) == 0.3
    assert guard_of(60, strict=True) == pytest.approx(1.8)
    assert guard_of(3600) == 20.0


@given(
    st.integers(1, 8),
    st.floats(0.5, 20),
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 4)), min_size=1, max_size=60),
)
def test_no_interleaving_gets_more_than_the_amount_in_any_window(amount, seconds, arrivals):
    window, used, now = Window(amount=amount, seconds=seconds), [], 0.0
    for gap, want in arrivals:
        now += gap
        want = min(want, amount)
        left, at = room(window, used, now, want=want)
        if left >= want:
            assert at == now
            used.append((now, want))
        else:
            assert at > now
            assert room(window, used, at, want=want)[0] >= want  # it says a moment at which there is room
    for moment, _ in used:
        assert sum(units for at, units in used if at <= moment < at + seconds) <= amount
