"""A finished video plays everywhere: one H.264 picture, one AAC sound, nothing else."""

from __future__ import annotations

from ..types import Expectations, Limits, RenderFacts, Result, check, judge


@check("render.streams", kind="render")
def render_streams(facts: RenderFacts, expected: Expectations, limits: Limits) -> Result:
    picture = ", ".join(facts.video_codecs) or "no picture"
    sound = ", ".join(facts.audio_codecs) or "no sound"
    others = f" and {facts.other_streams} other" if facts.other_streams else ""
    return judge(
        facts.video_codecs == ("h264",) and facts.audio_codecs == ("aac",) and not facts.other_streams,
        measured=f"{picture} + {sound}{others}",
        threshold="one h264 + one aac",
        sentence=f"The video holds {picture}, {sound}{others}.",
    )
