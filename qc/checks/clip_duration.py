"""A clip is as long as was asked for."""

from __future__ import annotations

from ..types import ClipFacts, Expectations, Limits, Result, check, judge, skip


@check("clip.duration", kind="clip")
def clip_duration(facts: ClipFacts, expected: Expectations, limits: Limits) -> Result:
    if expected.seconds is None:
        return skip("no length was asked for")
    allowed = limits.clip_max_duration_error_s
    return judge(
        abs(facts.duration_s - expected.seconds) <= allowed,
        measured=f"{facts.duration_s:.2f} s",
        threshold=f"{expected.seconds:.2f} s, at most {allowed:g} s off",
        sentence=f"The clip lasts {facts.duration_s:.1f} s; {expected.seconds:.1f} s was asked for.",
    )
