from __future__ import annotations

import pytest

from qc.types import Expectations, ImageFacts, Limits

from .verdicts import FAILED, PASSED, verdict

HD = Expectations(width=1920, height=1080)


@pytest.mark.parametrize(
    ("width", "height", "expected", "status"),
    [
        (1920, 1080, HD, PASSED),
        (3840, 2160, HD, PASSED),
        (1728, 972, HD, PASSED),
        (1727, 1080, HD, FAILED),
        (1920, 971, HD, FAILED),
        (256, 1000, Expectations(), PASSED),
        (1000, 255, Expectations(), FAILED),
    ],
)
def test_nine_tenths_of_the_size_asked_for_are_enough(width, height, expected, status):
    result = verdict("image.resolution", ImageFacts(width=width, height=height), expected=expected)
    assert result.status == status
    assert result.measured == f"{width}×{height}"


def test_the_limits_are_the_profiles():
    limits = Limits(image_min_size_share=0.5, image_min_short_side_px=2000)
    picture = ImageFacts(width=1000, height=600)
    assert verdict("image.resolution", picture, expected=HD, limits=limits).status == PASSED
    assert verdict("image.resolution", picture, limits=limits).status == FAILED
