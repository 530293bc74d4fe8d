from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.headers import limits_in, retry_after, seconds_of
from providers.types import VendorLimit


def test_the_usual_names_are_read_in_any_case():
    told, nonsense = limits_in(
        {
            "X-RateLimit-Limit-Requests": "500",
            "x-ratelimit-remaining-requests": "499",
            "x-ratelimit-reset-requests": "120ms",
            "x-ratelimit-limit-tokens": "80000",
            "x-ratelimit-remaining-tokens": "79000",
            "x-ratelimit-reset-tokens": "6m0s",
        }
    )
    assert told == (
        VendorLimit(unit="requests", limit=500, remaining=499, reset_s=0.12),
        VendorLimit(unit="tokens", limit=80000, remaining=79000, reset_s=360.0),
    )
    assert nonsense == ""


def test_the_draft_standard_is_read_too():
    told, _ = limits_in({"RateLimit-Limit": "100, 100;w=60", "RateLimit-Remaining": "7", "RateLimit-Reset": "30"})
    assert told == (VendorLimit(unit="requests", limit=100, remaining=7, reset_s=30.0),)


def test_headers_that_tell_nothing_are_nothing():
    assert limits_in({"Content-Type": "text/plain", "x-ratelimit-bucket": "abc"}) == ((), "")


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"x-ratelimit-limit-requests": "many"}, "x-ratelimit-limit-requests: many"),
        ({"x-ratelimit-limit-requests": "-5"}, "x-ratelimit-limit-requests: -5"),
        ({"x-ratelimit-limit": "0"}, "x-ratelimit-limit: 0"),
        ({"x-ratelimit-limit": "10", "x-ratelimit-remaining": "11"}, "x-ratelimit-remaining: 11 of 10"),
        ({"x-ratelimit-remaining-tokens": "9" * 40}, "x-ratelimit-remaining-tokens: 999"),
    ],
)
def test_nonsense_is_passed_over_and_named(headers, named):
    told, nonsense = limits_in(headers)
    assert named in nonsense
    assert all(limit.limit != 0 and (limit.remaining is None or limit.limit is None) for limit in told)


NAMES = ("x-ratelimit-limit-requests", "x-ratelimit-remaining", "ratelimit-reset", "x-ratelimit-remaining-tokens")


@given(st.dictionaries(st.sampled_from(NAMES), st.text()))
def test_no_header_breaks_anything(headers):
    for limit in limits_in(headers)[0]:
        assert limit.limit is None or 0 < limit.limit <= 10**9
        assert limit.remaining is None or limit.remaining >= 0
        assert limit.reset_s is None or limit.reset_s >= 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30.0), ("1.5s", 1.5), ("6m0s", 360.0), ("850ms", 0.85), ("1h2m", 3720.0), ("soon", None), ("", None)],
)
def test_spans_in_the_words_of_vendors(text, seconds):
    assert seconds_of(text) == (pytest.approx(seconds) if seconds is not None else None)


def test_a_moment_is_a_span_from_now():
    later = datetime.now(UTC) + timedelta(seconds=30)
    assert 25 < seconds_of(str(int(later.timestamp()))) <= 30
    assert 25 < seconds_of(format_datetime(later, usegmt=True)) <= 30
    assert seconds_of("1000000001") == 0.0


def test_a_wait_is_read_from_the_header_or_from_the_words():
    assert retry_after({"Retry-After": "7"}, "try again in 1s") == 7.0
    assert retry_after({"retry-after-ms": "1500"}) == 1.5
    assert retry_after({}, '{"error": {"message": "Rate limit reached. Please try again in 1.234s."}}') == 1.234
    assert retry_after({}, "Please try again in 2m 3s") == 123.0
    assert retry_after({}, "slow down") is None
