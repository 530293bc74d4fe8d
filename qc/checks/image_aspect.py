"""A picture has the shape that was asked for."""

from __future__ import annotations

from ..types import Expectations, ImageFacts, Limits, Result, check, judge, skip


@check("image.aspect", kind="image")
def image_aspect(facts: ImageFacts, expected: Expectations, limits: Limits) -> Result:
    wanted = expected.ratio()
    if wanted is None or not facts.height:
        return skip("no aspect ratio was asked for")
    ratio = facts.width / facts.height
    name = expected.aspect_ratio or f"{expected.width}:{expected.height}"
    return judge(
        abs(ratio / wanted - 1) <= limits.image_max_aspect_error,
        measured=f"{ratio:.3f}",
        threshold=f"{wanted:.3f} within {limits.image_max_aspect_error:.1%}",
        sentence=f"The picture is {ratio:.2f} times as wide as high; {name} is {wanted:.2f}.",
    )
