from __future__ import annotations

import pytest

from qc.types import ClipFacts, Expectations, Limits

from .verdicts import FAILED, PASSED, verdict

HD = Expectations(width=1280, height=720)


@pytest.mark.parametrize(
    ("width", "height", "expected", "status"),
    [
        (1280, 720, HD, PASSED),
        (1152, 648, HD, PASSED),
        (1151, 720, HD, FAILED),
        (1280, 647, HD, FAILED),
        (720, 1280, HD, FAILED),
        (256, 256, Expectations(), PASSED),
        (255, 4000, Expectations(), FAILED),
    ],
)
def test_nine_tenths_of_the_size_asked_for_are_enough(width, height, expected, status):
    result = verdict("clip.resolution", ClipFacts(width=width, height=height), expected=expected)
    assert (result.status, result.measured) == (status, f"{width}×{height}")


def test_the_limits_are_the_profiles():
    limits = Limits(clip_min_size_share=0.5, clip_min_short_side_px=700)
    assert verdict("clip.resolution", ClipFacts(width=640, height=360), expected=HD, limits=limits).status == PASSED
    assert verdict("clip.resolution", ClipFacts(width=640, height=360), limits=limits).status == FAILED
