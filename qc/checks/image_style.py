"""A picture resembles the project's style references. Needs a model of pictures, which is not part of this yet."""

from __future__ import annotations

from ..types import Expectations, ImageFacts, Limits, Result, check, skip


@check("image.style", kind="image")
def image_style(facts: ImageFacts, expected: Expectations, limits: Limits) -> Result:
    if not expected.references:
        return skip("the project has no style references")
    return skip("the style model is not installed")
