"""A voiceover is a sound file that can be read to its end."""

from __future__ import annotations

from ..types import Expectations, Limits, Result, VoiceFacts, check, judge


@check("voiceover.decodes", kind="voiceover", reads=True)
def voiceover_decodes(facts: VoiceFacts, expected: Expectations, limits: Limits) -> Result:
    return judge(
        not facts.error,
        measured="unreadable" if facts.error else f"{facts.duration_s:.2f} s of sound",
        threshold="sound that can be read to its end",
        sentence=facts.error or "The voiceover can be read to its end.",
    )
