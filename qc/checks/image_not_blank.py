"""There is something to be seen in a picture."""

from __future__ import annotations

from ..types import Expectations, ImageFacts, Limits, Result, check, judge


@check("image.not_blank", kind="image")
def image_not_blank(facts: ImageFacts, expected: Expectations, limits: Limits) -> Result:
    contrast, edges = max(facts.contrast, facts.spread), facts.edge_energy
    good = contrast >= limits.image_min_contrast and edges >= limits.image_min_edge_energy
    return judge(
        good,
        measured=f"contrast {contrast:.1f}, edges {edges:.2f}",
        threshold=f"contrast at least {limits.image_min_contrast:g}, edges at least {limits.image_min_edge_energy:g}",
        sentence="The picture shows something." if good else "The picture is blank: one even area and nothing in it.",
    )
