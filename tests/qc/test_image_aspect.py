from __future__ import annotations

import pytest

from qc.types import Expectations, ImageFacts

from .verdicts import FAILED, PASSED, SKIPPED, verdict


@pytest.mark.parametrize(
    ("width", "height", "aspect_ratio", "status"),
    [
        (1920, 1080, "16:9", PASSED),
        (1792, 1024, "16:9", PASSED),
        (1024, 1792, "9:16", PASSED),
        (1024, 1024, "1:1", PASSED),
        (1536, 1024, "16:9", FAILED),
        (1024, 1792, "16:9", FAILED),
        (1024, 1024, "", SKIPPED),
        (1024, 1024, "wide", SKIPPED),
        (1024, 1024, "1:0", SKIPPED),
    ],
)
def test_the_shape_is_the_one_asked_for(width, height, aspect_ratio, status):
    facts, expected = ImageFacts(width=width, height=height), Expectations(aspect_ratio=aspect_ratio)
    assert verdict("image.aspect", facts, expected=expected).status == status


def test_without_a_named_ratio_the_size_asked_for_counts():
    expected = Expectations(width=1080, height=1920)
    assert verdict("image.aspect", ImageFacts(width=540, height=960), expected=expected).status == PASSED
    assert verdict("image.aspect", ImageFacts(width=960, height=540), expected=expected).status == FAILED
