from __future__ import annotations

import pytest

from qc.types import Expectations, Limits

from .verdicts import FAILED, PASSED, SKIPPED, script_of, verdict


@pytest.mark.parametrize(
    ("asked", "difference", "status"),
    [(3, 0, PASSED), (2, 0, FAILED), (4, 0, FAILED), (4, 1, PASSED), (5, 1, FAILED), (None, 0, SKIPPED)],
)
def test_a_script_has_the_number_of_scenes_asked_for(asked, difference, status):
    limits = Limits(script_max_scene_difference=difference)
    result = verdict("script.scenes", script_of(5, 5, 5), expected=Expectations(scenes=asked), limits=limits)
    assert result.status == status
