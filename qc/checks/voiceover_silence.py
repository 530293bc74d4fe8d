"""A voiceover should not stop talking for long."""

from __future__ import annotations

from ..types import Expectations, Limits, Result, VoiceFacts, check, judge

NOTHING_SHARE = 0.95  # so much of the file without a sound is no pause


@check("voiceover.silence", kind="voiceover")
def voiceover_silence(facts: VoiceFacts, expected: Expectations, limits: Limits) -> Result:
    silence, allowed = facts.longest_silence_s, limits.voiceover_max_silence_s
    is_mute = silence >= facts.duration_s * NOTHING_SHARE
    place = f"The voice is silent for {silence:.1f} s in one place, from {facts.longest_silence_at_s:.1f} s on."
    return judge(
        silence <= allowed and not is_mute,
        measured=f"{silence:.2f} s",
        threshold=f"at most {allowed:g} s",
        sentence="There is no voice to be heard." if is_mute else place,
    )
