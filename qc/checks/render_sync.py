"""Picture and sound of a finished video end together."""

from __future__ import annotations

from ..types import Expectations, Limits, RenderFacts, Result, check, judge, skip

ROUNDING_S = 0.001  # stream lengths are stated in whole ticks of their own clocks


@check("render.sync", kind="render")
def render_sync(facts: RenderFacts, expected: Expectations, limits: Limits) -> Result:
    if not facts.video_codecs or not facts.audio_codecs or not facts.fps:
        return skip("there is not both picture and sound")
    apart_s = abs(facts.picture_s - facts.sound_s)
    allowed_s = limits.render_max_drift_frames / facts.fps
    return judge(
        apart_s <= allowed_s + ROUNDING_S,
        measured=f"{apart_s * 1000:.0f} ms",
        threshold=f"at most {allowed_s * 1000:.0f} ms ({limits.render_max_drift_frames:g} frames)",
        sentence=f"The picture lasts {facts.picture_s:.3f} s and the sound {facts.sound_s:.3f} s.",
    )
