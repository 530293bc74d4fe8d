from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.limits import (
    Meter,
    MixedMeter,
    Reckoning,
    Window,
    break_s,
    clean_s,
    guard_of,
    is_broken,
    learned_guard,
    room,
)

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
    assert guard_of(60) == 0.18
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


# -- places that are given away ahead of their moment ---------------------------------------------


def test_places_are_given_away_ahead_in_the_order_of_their_moments():
    meter = Meter(WINDOW, [(0, 1), (1, 1), (2, 1)], 9.5)
    moments = []
    for _ in range(4):
        moments.append(meter.when(1, 9.5))
        meter.take(1, moments[-1])
    assert moments == [10, 11, 12, 20]


def test_even_pacing_counts_from_the_plan_and_keeps_a_margin():
    meter = Meter(Window(amount=10, seconds=10, paced=True), [], 0.0)
    moments = []
    for _ in range(3):
        moments.append(meter.when(1, 0.0))
        meter.take(1, moments[-1])
    assert moments == pytest.approx([0.0, 1.03, 2.06])
    assert Meter(Window(amount=10, seconds=10, paced=True), [(5.3, 1)], 5.5, planned=(5.0, 1)).when(1, 5.5) == 6.03


def test_a_large_use_keeps_the_next_away_for_its_share():
    meter = Meter(Window(amount=1000, seconds=10, paced=True), [], 0.0)
    meter.take(500, meter.when(500, 0.0))
    assert meter.when(10, 0.0) == pytest.approx(5.15)


@given(
    st.integers(1, 6),
    st.floats(0.2, 20),
    st.floats(0, 0.5),
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 4), st.floats(0, 1), st.floats(0, 0.4)), max_size=50),
)
def test_a_meter_never_grants_too_much_whatever_comes_when(amount, seconds, guard_s, paced, arrivals):
    """Claims at any moment, places given away up to a second ahead, requests that leave later than was planned."""
    window, now, left, waiting = Window(amount=amount, seconds=seconds, guard_s=guard_s, paced=paced), 0.0, [], []
    planned = None
    for gap, want, ahead_s, late_s in arrivals:
        now += gap
        left += [(at + late, units) for at, units, late in waiting if at + late <= now]
        waiting = [one for one in waiting if one[0] + one[2] > now]
        used = left + [(max(at, now), units) for at, units, _ in waiting]  # what has not left yet leaves now or later
        meter = Meter(window, used, now, planned=planned)
        at = meter.when(want, now)
        assert at >= now
        if at <= now + min(ahead_s, seconds / 2):
            waiting.append((at, min(want, amount), late_s))
            if planned is None or at >= planned[0]:
                planned = (at, want)
    everything = sorted(left + [(at + late, units) for at, units, late in waiting])
    for moment, _ in everything:
        assert sum(units for at, units in everything if at <= moment < at + seconds) <= amount


@given(st.integers(1, 5), st.lists(st.tuples(st.floats(0, 30), st.integers(1, 3)), max_size=20), st.integers(1, 5))
def test_meter_and_room_agree(amount, used, want):
    window, now = Window(amount=amount, seconds=10, guard_s=0.1), 30.0
    free, at = room(window, sorted(used), now, want=want)
    assert Meter(window, used, now).when(want, now) == at
    assert (at == now) == (free >= min(want, amount))


# -- what a lane learns ------------------------------------------------------------------------------


def test_the_guard_grows_at_once_and_fades_slowly():
    grown = learned_guard(0.0, [0.001, 0.04])
    assert grown == pytest.approx(0.06)
    faded = learned_guard(grown, [0.001] * 100)
    assert 0.055 < faded < grown
    assert learned_guard(0.0, [0.005]) == 0.0  # the least guard covers it
    assert learned_guard(0.0201, [0.001] * 100) == 0.0


def test_a_lane_breaks_after_five_failures_in_a_row_or_when_most_of_a_minute_failed():
    assert not is_broken(4, [100.0] * 4, 4, 100.0)
    assert is_broken(5, [100.0] * 5, 5, 100.0)
    assert not is_broken(1, [100.0] * 5, 9, 100.0)
    assert not is_broken(1, [100.0] * 5, 10, 100.0)
    assert is_broken(1, [100.0] * 6, 10, 100.0)
    assert not is_broken(1, [30.0] * 6, 10, 100.0)


def test_a_break_lasts_longer_each_time_and_never_for_ever():
    assert [break_s(times) for times in (1, 2, 3, 50, 5000)] == [5, 10, 20, 300, 300]


def test_even_pacing_ends_after_ten_windows_and_lasts_longer_where_that_was_in_vain():
    assert [clean_s(6, times) for times in (1, 2, 3)] == [60, 120, 240]


# -- units that are known only afterwards ----------------------------------------------------------------


def test_many_calls_together_keep_less_than_each_would_alone():
    known = Reckoning().learned([0.7, 0.9] * 20)
    assert (known.seen, known.mean) == (40, pytest.approx(0.8))
    assert known.variance == pytest.approx(0.01)
    assert known.bound(1000, 1000**2) == 1000  # one call may come to all of it
    spread = 0.1 * (100 * 1000**2 + 100_000**2 / 40) ** 0.5  # of a hundred calls, and of what forty have taught
    assert known.bound(100_000, 100 * 1000**2) == pytest.approx(80_000 + 3 * spread)
    assert Reckoning().learned([0.5] * 39).bound(1000, 1000**2) == 1000  # too few to know


def test_a_vendor_that_counts_more_than_was_reserved_is_learned_too():
    known = Reckoning().learned([1.2] * 50)
    assert known.bound(1000, 1000**2) == pytest.approx(1200)


def test_what_is_out_counts_for_what_it_will_come_to():
    known = Reckoning().learned([0.5] * 50)
    counts = MixedMeter(Window(amount=100, seconds=10), [(0.0, 20)], 1.0, out=[(0.5, 80)], reckoning=known)
    assert counts.when(80, 1.0) == 1.0  # 20 + 40 + 40
    counts.take(80, 1.0)
    assert counts.when(10, 1.0) == 10.0


def test_a_call_as_large_as_the_window_leaves_alone_even_where_vendors_count_more_than_was_reserved():
    known = Reckoning().learned([1.2] * 50)
    counts = MixedMeter(Window(amount=100, seconds=10), [(0.0, 30)], 1.0, reckoning=known)
    assert counts.when(100, 1.0) == 10.0
    assert counts.when(250, 10.0) == 10.0  # more than all of it is treated as all of it


# -- a small one before a large one ----------------------------------------------------------------------


def profile(window: Window, uses: list[tuple[float, int]]) -> int:
    """The most that ever counts at once: looked at wherever something begins to."""
    return max((sum(n for t, n in uses if t <= at < t + window.span_s) for at, _ in uses), default=0)


def test_a_small_one_goes_before_a_large_one_that_waits_no_longer_for_that():
    window = Window(amount=100, seconds=10)
    meter = MixedMeter(window, [(0.0, 60), (1.0, 30)], 2.0)
    assert meter.when(70, 2.0) == 10.0
    meter.take(70, 10.0)
    assert meter.when(10, 2.0) == 11.0  # at 10 there are 30 and 70
    plain = MixedMeter(window, [(0.0, 70), (1.0, 20)], 2.0)
    plain.take(70, plain.when(70, 2.0))
    assert plain.when(10, 2.0) == 2.0


@given(
    st.lists(st.tuples(st.floats(0, 9.9), st.integers(1, 30)), max_size=3),
    st.lists(st.integers(1, 60), min_size=1, max_size=12),
)
def test_whatever_goes_first_no_window_ever_holds_too_much(used, wants):
    window = Window(amount=100, seconds=10, guard_s=0.1)
    meter, uses = MixedMeter(window, used, 9.9), [*used]
    for want in wants:
        at = meter.when(want, 9.9)
        assert at >= 9.9
        meter.take(want, at)
        uses.append((at, want))
        assert profile(window, uses) <= window.amount


@given(
    st.lists(st.tuples(st.floats(0, 9.9), st.integers(1, 40)), max_size=6),
    st.lists(st.tuples(st.floats(0, 9.9), st.integers(1, 40)), max_size=6),
    st.lists(st.tuples(st.integers(1, 120), st.floats(0, 3), st.booleans()), min_size=1, max_size=15),
)
def test_what_was_found_before_changes_no_answer(used, out, asked):
    window, known = Window(amount=100, seconds=10), Reckoning().learned([0.6, 0.9] * 20)
    meter, taken = MixedMeter(window, used, 9.9, out=out, reckoning=known), [*out]
    for want, later, takes in asked:
        fresh = MixedMeter(window, used, 9.9, out=taken, reckoning=known)
        at = meter.when(want, 9.9 + later)
        assert at == fresh.when(want, 9.9 + later)
        if takes:
            meter.take(want, at)
            taken.append((at, want))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_none_leaves_later_than_it_would_have_without_the_small_ones(wants):
    window = Window(amount=100, seconds=10)
    used = [(n / 2, 20) for n in range(5)]
    plain, meter = Meter(window, used, 3.0), MixedMeter(window, used, 3.0)
    for want in wants:
        at, later = meter.when(want, 3.0), plain.when(want, 3.0)
        assert at <= later
        meter.take(want, at)
        plain.take(want, later)


@given(st.lists(st.floats(0, 30), min_size=1, max_size=40))
def test_where_all_are_alike_the_order_is_that_of_coming(moments):
    window = Window(amount=5, seconds=10)
    plain, meter = Meter(window, [], 0.0), MixedMeter(window, [], 0.0)
    for now in sorted(moments):
        at = plain.when(1, now)
        assert meter.when(1, now) == at
        plain.take(1, at)
        meter.take(1, at)
