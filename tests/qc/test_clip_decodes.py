from __future__ import annotations

from qc.types import ClipFacts

from .verdicts import FAILED, PASSED, verdict


def test_a_readable_clip_passes_and_says_what_it_is():
    result = verdict("clip.decodes", ClipFacts(format="mov", codec="h264"))
    assert (result.status, result.measured) == (PASSED, "mov, h264")


def test_what_could_not_be_read_fails_with_the_reason():
    result = verdict("clip.decodes", ClipFacts(error="The file is cut off."))
    assert (result.status, result.sentence) == (FAILED, "The file is cut off.")
