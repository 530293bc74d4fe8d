"""A clip is a video file whose every frame can be read."""

from __future__ import annotations

from ..types import ClipFacts, Expectations, Limits, Result, check, judge


@check("clip.decodes", kind="clip", reads=True)
def clip_decodes(facts: ClipFacts, expected: Expectations, limits: Limits) -> Result:
    return judge(
        not facts.error,
        measured="unreadable" if facts.error else f"{facts.format}, {facts.codec}",
        threshold="every frame can be read",
        sentence=facts.error or "Every frame of the clip can be read.",
    )
