from __future__ import annotations

import pytest

from qc.types import ClipFacts, Expectations, Limits

from .verdicts import FAILED, PASSED, SKIPPED, verdict


@pytest.mark.parametrize(
    ("duration_s", "seconds", "status"),
    [
        (5.0, 5.0, PASSED),
        (5.04, 5.0, PASSED),
        (4.5, 5.0, PASSED),
        (5.5, 5.0, PASSED),
        (4.49, 5.0, FAILED),
        (5.51, 5.0, FAILED),
        (10.0, 5.0, FAILED),
        (5.0, None, SKIPPED),
    ],
)
def test_a_clip_lasts_as_long_as_was_asked_for(duration_s, seconds, status):
    result = verdict("clip.duration", ClipFacts(duration_s=duration_s), expected=Expectations(seconds=seconds))
    assert result.status == status


def test_the_limit_is_the_profiles():
    facts, expected = ClipFacts(duration_s=7), Expectations(seconds=5)
    assert (
        verdict("clip.duration", facts, expected=expected, limits=Limits(clip_max_duration_error_s=2)).status == PASSED
    )
