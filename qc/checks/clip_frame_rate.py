"""A clip moves smoothly: its frame rate is the one asked for, or at least an ordinary one."""

from __future__ import annotations

from ..types import ClipFacts, Expectations, Limits, Result, check, judge


@check("clip.frame_rate", kind="clip")
def clip_frame_rate(facts: ClipFacts, expected: Expectations, limits: Limits) -> Result:
    if expected.fps is None:
        least, most = limits.clip_min_fps, limits.clip_max_fps
        threshold, asked = f"{least:g} to {most:g} per second", ""
    else:
        least, most = expected.fps - limits.clip_max_fps_error, expected.fps + limits.clip_max_fps_error
        threshold = f"{expected.fps:g} per second, at most {limits.clip_max_fps_error:g} off"
        asked = f"; {expected.fps:g} was asked for"
    return judge(
        least <= facts.fps <= most,
        measured=f"{facts.fps:.2f} per second",
        threshold=threshold,
        sentence=f"The clip has {facts.fps:.4g} frames per second{asked}.",
    )
