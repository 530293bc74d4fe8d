from __future__ import annotations

from qc.types import VoiceFacts

from .verdicts import FAILED, PASSED, verdict


def test_readable_sound_passes():
    result = verdict("voiceover.decodes", VoiceFacts(duration_s=3.2))
    assert (result.status, result.measured) == (PASSED, "3.20 s of sound")


def test_what_could_not_be_read_fails_with_the_reason():
    result = verdict("voiceover.decodes", VoiceFacts(error="The file is empty."))
    assert (result.status, result.sentence) == (FAILED, "The file is empty.")
