"""A voiceover is not overdriven."""

from __future__ import annotations

from ..types import Expectations, Limits, Result, VoiceFacts, check, judge


@check("voiceover.clipping", kind="voiceover")
def voiceover_clipping(facts: VoiceFacts, expected: Expectations, limits: Limits) -> Result:
    clipped, allowed = facts.clipped_share * 100, limits.voiceover_max_clipped_percent
    return judge(
        clipped <= allowed,
        measured=f"{clipped:.3f} %",
        threshold=f"at most {allowed:g} % of the samples",
        sentence=f"The voice is clipped in {clipped:.2f} % of its samples; its peak is {facts.peak_dbfs:.1f} dBFS.",
    )
