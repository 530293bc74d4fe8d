"""A voiceover is not squeezed until it sounds like a telephone."""

from __future__ import annotations

from ..types import Expectations, Limits, Result, VoiceFacts, check, judge


@check("voiceover.bitrate", kind="voiceover")
def voiceover_bitrate(facts: VoiceFacts, expected: Expectations, limits: Limits) -> Result:
    return judge(
        facts.bitrate_kbps >= limits.voiceover_min_bitrate_kbps,
        measured=f"{facts.bitrate_kbps:.0f} kbit/s",
        threshold=f"at least {limits.voiceover_min_bitrate_kbps:g} kbit/s",
        sentence=f"The voiceover is stored at {facts.bitrate_kbps:.0f} kbit/s.",
    )
