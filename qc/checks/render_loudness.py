"""A finished video is as loud as the platforms play it."""

from __future__ import annotations

from ..types import Expectations, Limits, RenderFacts, Result, check, judge, skip


@check("render.loudness", kind="render")
def render_loudness(facts: RenderFacts, expected: Expectations, limits: Limits) -> Result:
    if facts.integrated_lufs is None:
        return skip("there is no sound to measure")
    loudness, wanted, allowed = facts.integrated_lufs, limits.render_loudness_lufs, limits.render_max_loudness_error_lu
    return judge(
        abs(loudness - wanted) <= allowed,
        measured=f"{loudness:.1f} LUFS",
        threshold=f"{wanted:g} LUFS ± {allowed:g}",
        sentence=f"The video's loudness is {loudness:.1f} LUFS; it should be {wanted:g}.",
    )
