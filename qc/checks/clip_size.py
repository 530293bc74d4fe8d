"""A clip is no larger a file than is sensible to keep and to render."""

from __future__ import annotations

from ..types import ClipFacts, Expectations, Limits, Result, check, judge

MB = 1_000_000


@check("clip.size", kind="clip")
def clip_size(facts: ClipFacts, expected: Expectations, limits: Limits) -> Result:
    size_mb = facts.size_bytes / MB
    return judge(
        size_mb <= limits.clip_max_size_mb,
        measured=f"{size_mb:.1f} MB",
        threshold=f"at most {limits.clip_max_size_mb:g} MB",
        sentence=f"The clip is a file of {size_mb:.1f} MB.",
    )
