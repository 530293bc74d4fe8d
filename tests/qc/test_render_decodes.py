from __future__ import annotations

from qc.types import RenderFacts

from .verdicts import FAILED, PASSED, verdict


def test_a_readable_video_passes():
    result = verdict("render.decodes", RenderFacts(duration_s=31.25))
    assert (result.status, result.measured) == (PASSED, "31.25 s")


def test_what_could_not_be_read_fails_with_the_reason():
    result = verdict("render.decodes", RenderFacts(error="The file is damaged."))
    assert (result.status, result.sentence) == (FAILED, "The file is damaged.")
