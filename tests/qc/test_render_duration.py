from __future__ import annotations

import pytest

from qc.types import Expectations, Limits, RenderFacts

from .verdicts import FAILED, PASSED, SKIPPED, verdict


@pytest.mark.parametrize(
    ("duration_s", "sum_s", "limits", "status"),
    [
        (30.0, 30.0, Limits(), PASSED),
        (30.29, 30.0, Limits(), PASSED),
        (29.6, 30.0, Limits(), FAILED),
        (30.4, 30.0, Limits(), FAILED),
        (30.4, 30.0, Limits(render_max_duration_error_s=0.5), PASSED),
        (30.0, None, Limits(), SKIPPED),
    ],
)
def test_a_video_is_as_long_as_its_scenes_together(duration_s, sum_s, limits, status):
    facts, expected = RenderFacts(duration_s=duration_s), Expectations(sum_s=sum_s)
    assert verdict("render.duration", facts, expected=expected, limits=limits).status == status
