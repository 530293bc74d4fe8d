"""A clip moves smoothly. More frames than asked for are no flaw, a few less neither: rendering converts the rate."""

from __future__ import annotations

from ..types import ClipFacts, Expectations, Limits, Result, check, judge


@check("clip.frame_rate", kind="clip")
def clip_frame_rate(facts: ClipFacts, expected: Expectations, limits: Limits) -> Result:
    most, asked = limits.clip_max_fps, ""
    least = limits.clip_min_fps
    if expected.fps is not None:
        least, asked = expected.fps - limits.clip_max_fps_error, f"; {expected.fps:g} was asked for"
    return judge(
        least <= facts.fps <= most,
        measured=f"{facts.fps:.2f} per second",
        threshold=f"{least:g} to {most:g} per second",
        sentence=f"The clip has {facts.fps:.4g} frames per second{asked}.",
    )
