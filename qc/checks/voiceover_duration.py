"""A voiceover takes roughly the time that the script planned for it. Generous: the clip follows the voice."""

from __future__ import annotations

from ..types import Expectations, Limits, Result, VoiceFacts, check, judge, skip


@check("voiceover.duration", kind="voiceover")
def voiceover_duration(facts: VoiceFacts, expected: Expectations, limits: Limits) -> Result:
    if not expected.seconds:
        return skip("the script plans no length for it")
    least = expected.seconds * limits.voiceover_min_duration_share
    most = expected.seconds * limits.voiceover_max_duration_share
    return judge(
        least <= facts.duration_s <= most,
        measured=f"{facts.duration_s:.2f} s",
        threshold=f"{least:.1f} to {most:.1f} s",
        sentence=f"The voice takes {facts.duration_s:.1f} s; the script plans {expected.seconds:.1f} s.",
    )
