from __future__ import annotations

import pytest

from qc.types import ClipFacts, Expectations

from .verdicts import FAILED, PASSED, verdict


@pytest.mark.parametrize(
    ("fps", "asked", "status"),
    [
        (23.976, None, PASSED),
        (60.0, None, PASSED),
        (12.0, None, FAILED),
        (0.0, None, FAILED),
        (120.0, None, FAILED),
        (29.97, 30, PASSED),
        (24.0, 30, PASSED),
        (30.0, 25, PASSED),
        (23.0, 30, FAILED),
        (30.0, 60, FAILED),
        (120.0, 30, FAILED),
        (12.0, 12, PASSED),
    ],
)
def test_the_rate_is_about_the_one_asked_for_or_an_ordinary_one(fps, asked, status):
    assert verdict("clip.frame_rate", ClipFacts(fps=fps), expected=Expectations(fps=asked)).status == status


def test_the_sentence_says_what_was_asked_for_only_if_something_was():
    asked = verdict("clip.frame_rate", ClipFacts(fps=24), expected=Expectations(fps=30))
    assert asked.sentence == "The clip has 24 frames per second; 30 was asked for."
    assert verdict("clip.frame_rate", ClipFacts(fps=24)).sentence == "The clip has 24 frames per second."
