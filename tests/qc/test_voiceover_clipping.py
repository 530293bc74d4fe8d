from __future__ import annotations

import pytest

from qc.types import Limits, VoiceFacts

from .verdicts import FAILED, PASSED, verdict


@pytest.mark.parametrize(
    ("share", "limits", "status"),
    [
        (0.0, Limits(), PASSED),
        (0.0005, Limits(), PASSED),
        (0.0006, Limits(), FAILED),
        (0.2, Limits(), FAILED),
        (0.0006, Limits(voiceover_max_clipped_percent=1), PASSED),
    ],
)
def test_a_few_clipped_samples_are_allowed(share, limits, status):
    assert verdict("voiceover.clipping", VoiceFacts(clipped_share=share), limits=limits).status == status
