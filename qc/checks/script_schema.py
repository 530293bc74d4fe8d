"""A script is the JSON that was asked for, complete and within bounds."""

from __future__ import annotations

from ..types import Expectations, Limits, Result, ScriptFacts, check, judge


@check("script.schema", kind="script", reads=True)
def script_schema(facts: ScriptFacts, expected: Expectations, limits: Limits) -> Result:
    return judge(
        not facts.error,
        measured="unreadable" if facts.error else f"{len(facts.scenes)} scenes",
        threshold="title, hook, description, hashtags and scenes, as asked for",
        sentence=facts.error or "The script is complete.",
    )
