"""A script plans about the length that was asked for: in seconds, or else in words."""

from __future__ import annotations

from ..types import Expectations, Limits, Result, ScriptFacts, check, judge, skip


@check("script.length", kind="script")
def script_length(facts: ScriptFacts, expected: Expectations, limits: Limits) -> Result:
    if expected.seconds:
        planned, wanted, unit = facts.seconds, expected.seconds, "s"
    elif expected.words:
        planned, wanted, unit = float(facts.words), float(expected.words), "words"
    else:
        return skip("no length was asked for")
    allowed = limits.script_max_length_error_percent
    return judge(
        abs(planned / wanted - 1) * 100 <= allowed,
        measured=f"{planned:g} {unit}",
        threshold=f"{wanted:g} {unit} ± {allowed:g} %",
        sentence=f"The script plans {planned:g} {unit}; {wanted:g} {unit} was asked for.",
    )
