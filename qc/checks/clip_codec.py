"""A clip is coded in a way that browsers play and ffmpeg reads fast."""

from __future__ import annotations

from ..types import ClipFacts, Expectations, Limits, Result, check, judge


@check("clip.codec", kind="clip")
def clip_codec(facts: ClipFacts, expected: Expectations, limits: Limits) -> Result:
    allowed = [name.strip().lower() for name in limits.clip_codecs.split(",") if name.strip()]
    return judge(
        facts.codec in allowed,
        measured=facts.codec or "none",
        threshold="one of " + ", ".join(allowed),
        sentence=f"The clip is coded as {facts.codec or 'something unknown'}.",
    )
