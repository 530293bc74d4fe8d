"""A finished video is as long as its scenes together."""

from __future__ import annotations

from ..types import Expectations, Limits, RenderFacts, Result, check, judge, skip


@check("render.duration", kind="render")
def render_duration(facts: RenderFacts, expected: Expectations, limits: Limits) -> Result:
    if expected.sum_s is None:
        return skip("the length of its scenes is not known")
    allowed = limits.render_max_duration_error_s
    return judge(
        abs(facts.duration_s - expected.sum_s) <= allowed,
        measured=f"{facts.duration_s:.2f} s",
        threshold=f"{expected.sum_s:.2f} s, at most {allowed:g} s off",
        sentence=f"The video lasts {facts.duration_s:.2f} s; its scenes together last {expected.sum_s:.2f} s.",
    )
