from __future__ import annotations

import pytest

from qc.types import Limits, VoiceFacts

from .verdicts import FAILED, PASSED, verdict


@pytest.mark.parametrize(
    ("silence_s", "allowed_s", "status"),
    [(0.0, 1.0, PASSED), (1.0, 1.0, PASSED), (1.01, 1.0, FAILED), (2.0, 1.0, FAILED), (2.0, 2.5, PASSED)],
)
def test_a_pause_is_allowed_up_to_the_limit(silence_s, allowed_s, status):
    facts = VoiceFacts(duration_s=8, longest_silence_s=silence_s)
    assert verdict("voiceover.silence", facts, limits=Limits(voiceover_max_silence_s=allowed_s)).status == status


def test_the_sentence_says_where():
    facts = VoiceFacts(duration_s=8, longest_silence_s=2.04, longest_silence_at_s=3.2)
    assert verdict("voiceover.silence", facts).sentence == (
        "The voice is silent for 2.0 s in one place, from 3.2 s on."
    )


def test_a_short_file_without_any_sound_fails_although_no_pause_is_long():
    result = verdict("voiceover.silence", VoiceFacts(duration_s=0.8, longest_silence_s=0.8))
    assert (result.status, result.sentence) == (FAILED, "There is no voice to be heard.")
