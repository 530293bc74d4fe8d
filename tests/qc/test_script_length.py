from __future__ import annotations

import pytest

from qc.types import Expectations, Limits

from .verdicts import FAILED, PASSED, SKIPPED, script_of, verdict


@pytest.mark.parametrize(
    ("expected", "status"),
    [
        (Expectations(seconds=30), PASSED),
        (Expectations(seconds=24), PASSED),
        (Expectations(seconds=20), FAILED),
        (Expectations(seconds=43), FAILED),
        (Expectations(seconds=30, words=1), PASSED),
        (Expectations(words=18), PASSED),
        (Expectations(words=40), FAILED),
        (Expectations(), SKIPPED),
    ],
)
def test_three_scenes_of_ten_seconds_and_six_words_against_what_was_asked_for(expected, status):
    assert verdict("script.length", script_of(10, 10, 10), expected=expected).status == status


def test_the_limit_is_the_profiles():
    limits = Limits(script_max_length_error_percent=5)
    assert verdict("script.length", script_of(10), expected=Expectations(seconds=12), limits=limits).status == FAILED
