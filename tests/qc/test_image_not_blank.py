from __future__ import annotations

import pytest

from qc.types import ImageFacts, Limits

from .verdicts import FAILED, PASSED, verdict


@pytest.mark.parametrize(
    ("contrast", "spread", "edges", "status"),
    [
        (40.0, 40.0, 1.0, PASSED),
        (2.5, 2.5, 0.04, PASSED),
        (0.0, 60.0, 1.0, PASSED),  # hues of one brightness
        (0.0, 0.0, 0.0, FAILED),
        (2.4, 2.4, 1.0, FAILED),
        (40.0, 40.0, 0.03, FAILED),
    ],
)
def test_a_picture_needs_contrast_and_edges(contrast, spread, edges, status):
    facts = ImageFacts(contrast=contrast, spread=spread, edge_energy=edges)
    assert verdict("image.not_blank", facts).status == status


def test_the_sentence_says_that_it_is_blank():
    assert "blank" in verdict("image.not_blank", ImageFacts()).sentence


def test_the_limits_are_the_profiles():
    facts = ImageFacts(contrast=10, spread=10, edge_energy=1)
    assert verdict("image.not_blank", facts, limits=Limits(image_min_contrast=20)).status == FAILED
    assert verdict("image.not_blank", facts, limits=Limits(image_min_edge_energy=2)).status == FAILED
