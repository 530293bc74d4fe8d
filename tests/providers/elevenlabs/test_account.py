"""Credits that are left, and the limits that ElevenLabs tells."""

from __future__ import annotations

import pytest

from providers.types import VendorLimit

from .conftest import account


def test_the_credits_that_are_left_fall_with_each_voice(vendors, eleven, voice):
    account(vendors, used=100, limit=1000)
    assert eleven.remaining() == 900
    eleven.submit(voice)
    assert eleven.remaining() == 841
    assert eleven.account() == (
        "841 credits are left until the plan's next month. The key may have a smaller limit of its own."
    )


def test_what_may_be_billed_beyond_the_plan_is_left_too(vendors, eleven):
    account(vendors, used=1000, limit=1000, beyond=250)
    assert eleven.remaining() == 250
    account(vendors, used=1000, limit=1000, beyond="unlimited")
    assert eleven.remaining() is None
    assert "no end" in eleven.account()


def test_how_many_calls_may_run_at_once_is_heard(eleven, voice):
    eleven.submit(voice)
    assert eleven.limits == (VendorLimit(unit="calls at once", limit=3, remaining=2),)
    assert eleven.nonsense == ""


@pytest.mark.parametrize(
    ("most", "current", "limits", "nonsense"),
    [
        ("10", "", [(10, None)], ""),
        ("2", "5", [(2, 0)], ""),
        ("0", "0", [], ""),
        ("many", "1", [], "maximum-concurrent-requests: many"),
        ("10", "-1", [(10, None)], "current-concurrent-requests: -1"),
        ("", "", [], ""),
    ],
)
def test_limits_that_make_no_sense_are_named_and_passed_over(eleven, most, current, limits, nonsense):
    said = {"Maximum-Concurrent-Requests": most, "current-concurrent-requests": current}
    told, wrong = eleven.limits_in({name: text for name, text in said.items() if text})
    assert [(limit.limit, limit.remaining) for limit in told] == limits
    assert wrong == nonsense
