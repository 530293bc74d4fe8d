"""A picture is about as large as was asked for."""

from __future__ import annotations

from ..types import Expectations, ImageFacts, Limits, Result, check, judge


@check("image.resolution", kind="image")
def image_resolution(facts: ImageFacts, expected: Expectations, limits: Limits) -> Result:
    size = f"{facts.width}×{facts.height}"
    if not expected.width or not expected.height:
        short, least = min(facts.width, facts.height), limits.image_min_short_side_px
        return judge(
            short >= least,
            measured=size,
            threshold=f"shorter side at least {least} px",
            sentence=f"The picture is {size}.",
        )
    share = min(facts.width / expected.width, facts.height / expected.height)
    return judge(
        share >= limits.image_min_size_share,
        measured=size,
        threshold=f"at least {limits.image_min_size_share:.0%} of {expected.width}×{expected.height}",
        sentence=f"The picture is {size}; {expected.width}×{expected.height} was asked for.",
    )
