from __future__ import annotations

import pytest

from qc.types import Limits, RenderFacts

from .verdicts import FAILED, PASSED, SKIPPED, verdict


@pytest.mark.parametrize(
    ("lufs", "limits", "status"),
    [
        (-14.0, Limits(), PASSED),
        (-13.0, Limits(), PASSED),
        (-15.0, Limits(), PASSED),
        (-12.9, Limits(), FAILED),
        (-15.1, Limits(), FAILED),
        (-120.0, Limits(), FAILED),
        (-23.0, Limits(render_loudness_lufs=-23), PASSED),
        (-12.9, Limits(render_max_loudness_error_lu=2), PASSED),
        (None, Limits(), SKIPPED),
    ],
)
def test_the_loudness_is_that_of_the_platforms(lufs, limits, status):
    assert verdict("render.loudness", RenderFacts(integrated_lufs=lufs), limits=limits).status == status
