from __future__ import annotations

import pytest

from qc.types import Limits, VoiceFacts

from .verdicts import FAILED, PASSED, verdict


@pytest.mark.parametrize(
    ("kbps", "limits", "status"),
    [
        (128, Limits(), PASSED),
        (32, Limits(), PASSED),
        (31.9, Limits(), FAILED),
        (64, Limits(voiceover_min_bitrate_kbps=96), FAILED),
    ],
)
def test_the_bitrate_is_at_least_the_limit(kbps, limits, status):
    assert verdict("voiceover.bitrate", VoiceFacts(bitrate_kbps=kbps), limits=limits).status == status
