from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.forecast.windows import Meter
from providers import limits
from providers.limits import Window, room

moments = st.floats(min_value=0.0, max_value=8.0, allow_nan=False)
asked = st.lists(st.tuples(moments, st.integers(1, 9)), max_size=40)


@given(
    amount=st.integers(1, 7),
    seconds=st.floats(min_value=0.5, max_value=10.0),
    guard_s=st.floats(min_value=0.0, max_value=1.0),
    before=st.lists(st.tuples(st.floats(min_value=-15.0, max_value=0.0), st.integers(1, 4)), max_size=10),
    asked=asked,
)
def test_the_fast_way_says_what_room_says(amount, seconds, guard_s, before, asked):
    window = Window(amount=amount, seconds=seconds, guard_s=guard_s)
    used = sorted(before)
    meter, now = Meter(window, used), 0.0
    for wait, want in asked:
        now += wait
        free, at = room(window, used, now, want=want)
        assert meter.free_at(want, now) == at
        if free >= min(want, amount):
            meter.take(min(want, amount), now)
            used.append((now, min(want, amount)))


@given(
    amount=st.integers(1, 7),
    seconds=st.floats(min_value=0.5, max_value=10.0),
    asked=st.lists(moments, max_size=40),
    paced=st.booleans(),
)
def test_it_gives_places_away_as_the_meter_of_a_claim_does(amount, seconds, asked, paced):
    window = Window(amount=amount, seconds=seconds, guard_s=0.1, paced=paced)
    fast, slow, now = Meter(window), limits.Meter(window, (), 0.0), 0.0
    for wait in asked:
        now += wait
        at = slow.when(1, now)
        assert fast.free_at(1, now) == at
        slow.take(1, at)
        fast.take(1, at)
        now = at


def test_a_group_takes_its_units_as_they_come_free_and_never_more():
    meter = Meter(Window(amount=3, seconds=10.0))
    assert meter.take(7, 0.0) == 20.0  # three at 0, three at 10, one at 20
    assert meter.take(2, 20.0) == 20.0
    assert meter.free_at(1, 20.0) == 30.0
