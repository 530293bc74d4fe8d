from __future__ import annotations

import pytest

from qc.types import Expectations, VoiceFacts

from .verdicts import FAILED, PASSED, SKIPPED, verdict


@pytest.mark.parametrize(
    ("duration_s", "planned", "status"),
    [
        (5.0, 5.0, PASSED),
        (2.0, 5.0, PASSED),
        (9.0, 5.0, PASSED),
        (1.9, 5.0, FAILED),
        (9.1, 5.0, FAILED),
        (0.0, 5.0, FAILED),
        (5.0, None, SKIPPED),
        (5.0, 0.0, SKIPPED),
    ],
)
def test_the_voice_takes_roughly_the_planned_time(duration_s, planned, status):
    facts, expected = VoiceFacts(duration_s=duration_s), Expectations(seconds=planned)
    assert verdict("voiceover.duration", facts, expected=expected).status == status
