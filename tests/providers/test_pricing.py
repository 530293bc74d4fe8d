from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.pricing import amount, units_of


@pytest.mark.parametrize(
    ("units", "micro", "per", "cost"),
    [
        (1, 40_000, 1, 40_000),
        (0, 40_000, 1, 0),
        (1, 30, 1000, 1),
        (1000, 30, 1000, 30),
        (1001, 30, 1000, 31),
        (5, 0, 1, 0),
    ],
)
def test_an_amount_is_rounded_up_once(units, micro, per, cost):
    assert amount(units, micro, per) == cost


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 10**6))
def test_an_amount_is_never_below_and_never_a_whole_unit_above(units, micro, per):
    exact = units * micro
    assert exact <= amount(units, micro, per) * per < exact + per


def test_a_call_is_one_call_whatever_was_counted():
    assert units_of("calls", {"images": 4}) == 1
    assert units_of("images", {"images": 4}) == 4
    assert units_of("images", {}) == 0
