from __future__ import annotations

import pytest

from qc.types import ClipFacts, Limits

from .verdicts import FAILED, PASSED, verdict


@pytest.mark.parametrize(
    ("size_bytes", "limits", "status"),
    [
        (200_000_000, Limits(), PASSED),
        (200_000_001, Limits(), FAILED),
        (2_000_000, Limits(clip_max_size_mb=1), FAILED),
    ],
)
def test_a_file_stays_below_the_largest_size(size_bytes, limits, status):
    assert verdict("clip.size", ClipFacts(size_bytes=size_bytes), limits=limits).status == status
