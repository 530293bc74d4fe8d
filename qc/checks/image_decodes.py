"""A picture is PNG, JPEG or WebP and can be read to its end."""

from __future__ import annotations

from ..types import Expectations, ImageFacts, Limits, Result, check, judge


@check("image.decodes", kind="image", reads=True)
def image_decodes(facts: ImageFacts, expected: Expectations, limits: Limits) -> Result:
    said = expected.media_type.lower()
    is_other = said.startswith("image/") and said.replace("jpg", "jpeg") != f"image/{facts.format.lower()}"
    return judge(
        not facts.error,
        measured=facts.format or "unreadable",
        threshold="PNG, JPEG or WEBP, read to its end",
        sentence=facts.error
        or f"The picture can be read; it is {facts.format}" + (f" although it came as {said}." if is_other else "."),
    )
