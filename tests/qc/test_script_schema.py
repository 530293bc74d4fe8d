from __future__ import annotations

from qc.types import ScriptFacts

from .verdicts import FAILED, PASSED, script_of, verdict


def test_a_complete_script_passes():
    result = verdict("script.schema", script_of(5, 5))
    assert (result.status, result.measured) == (PASSED, "2 scenes")


def test_what_could_not_be_read_fails_with_the_reason():
    result = verdict("script.schema", ScriptFacts(error="The script has no scenes."))
    assert (result.status, result.sentence) == (FAILED, "The script has no scenes.")
