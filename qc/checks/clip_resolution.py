"""A clip is about as large as was asked for."""

from __future__ import annotations

from ..types import ClipFacts, Expectations, Limits, Result, check, judge


@check("clip.resolution", kind="clip")
def clip_resolution(facts: ClipFacts, expected: Expectations, limits: Limits) -> Result:
    size = f"{facts.width}×{facts.height}"
    if not expected.width or not expected.height:
        short, least = min(facts.width, facts.height), limits.clip_min_short_side_px
        return judge(
            short >= least,
            measured=size,
            threshold=f"shorter side at least {least} px",
            sentence=f"The clip is {size}.",
        )
    share = min(facts.width / expected.width, facts.height / expected.height)
    return judge(
        share >= limits.clip_min_size_share,
        measured=size,
        threshold=f"at least {limits.clip_min_size_share:.0%} of {expected.width}×{expected.height}",
        sentence=f"The clip is {size}; {expected.width}×{expected.height} was asked for.",
    )
