"""One judgement by its name, with everything ordinary unless the test says otherwise."""

from __future__ import annotations

from qc.checks import all_checks
from qc.types import Expectations, Limits, Result, ScriptFacts, ScriptScene, Status

PASSED, FAILED, SKIPPED = Status.PASSED, Status.FAILED, Status.SKIPPED


def verdict(name, facts, *, expected=None, limits=None) -> Result:
    return all_checks()[name].judge(facts, expected or Expectations(), limits or Limits())


def script_of(*seconds: float, narration: str = "Bees dance to tell the way.") -> ScriptFacts:
    scenes = tuple(ScriptScene(narration=narration, visual_prompt="A hive", seconds=each) for each in seconds)
    return ScriptFacts(title="Bees", hook="Why?", description="About bees.", hashtags=("bees",), scenes=scenes)
