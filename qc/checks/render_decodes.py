"""A finished video can be read to its end."""

from __future__ import annotations

from ..types import Expectations, Limits, RenderFacts, Result, check, judge


@check("render.decodes", kind="render", reads=True)
def render_decodes(facts: RenderFacts, expected: Expectations, limits: Limits) -> Result:
    return judge(
        not facts.error,
        measured="unreadable" if facts.error else f"{facts.duration_s:.2f} s",
        threshold="every frame and sample can be read",
        sentence=facts.error or "Every frame and sample of the video can be read.",
    )
