"""A script has as many scenes as were asked for."""

from __future__ import annotations

from ..types import Expectations, Limits, Result, ScriptFacts, check, judge, skip


@check("script.scenes", kind="script")
def script_scenes(facts: ScriptFacts, expected: Expectations, limits: Limits) -> Result:
    if expected.scenes is None:
        return skip("no number of scenes was asked for")
    count, allowed = len(facts.scenes), limits.script_max_scene_difference
    return judge(
        abs(count - expected.scenes) <= allowed,
        measured=str(count),
        threshold=f"{expected.scenes}, at most {allowed} more or less" if allowed else f"exactly {expected.scenes}",
        sentence=f"Scenes in the script: {count}; asked for: {expected.scenes}.",
    )
