"""Stability AI: pictures, at once. Stable Image (v2beta) makes one a request; the older SDXL (v1) up to ten.

https://platform.stability.ai/docs/api-reference (read 2026-11), and for v1 the vendor's own document of 2023-03,
https://github.com/Stability-AI/rest-api-support (spec/v1.yaml)
There is no idempotency key, no job and no listing: a lost answer stays lost (BLIND).
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from ..answers import Said
from ..base import Adapter, HttpAnswer
from ..exceptions import CallError, OutOfCredit, RateLimited, Rejected, Unknown
from ..offer_spec import OfferSpec
from ..pictures import nearest
from ..types import Capability, Failed, Finished, Output, Request

RATIOS = ((21, 9), (16, 9), (3, 2), (5, 4), (1, 1), (4, 5), (2, 3), (9, 16), (9, 21))
# All that SDXL 1.0 takes; the document of 2023 is older than that model and does not say so.
SIZES_OF_SDXL = (
    (1024, 1024),
    (1152, 896),
    (896, 1152),
    (1216, 832),
    (832, 1216),
    (1344, 768),
    (768, 1344),
    (1536, 640),
    (640, 1536),
)
LARGEST_SEED = 4_294_967_294  # of v2beta; that of v1 is one larger. 0 is a random one
SAMPLES = 10
STEPS = 30  # of v1, whose price is by steps; its own default is 50
# 60 s of refusals follow one call too many (2024-06):
# https://stabilityplatform.freshdesk.com/support/solutions/articles/150000186026-api-key-rate-limit-information
LOCKED_OUT_S = 61.0
SDXL = "stable-diffusion-xl-1024-v1-0"
# offer: (the last part of its path, label, tier). The pixels of each aspect ratio are nowhere documented.
STABLE_IMAGE = {
    "sd3.5-flash": ("sd3", "Stable Diffusion 3.5 Flash", "draft"),
    "sd3.5-medium": ("sd3", "Stable Diffusion 3.5 Medium", "draft"),
    "core": ("core", "Stable Image Core", "standard"),
    "sd3.5-large-turbo": ("sd3", "Stable Diffusion 3.5 Large Turbo", "standard"),
    "sd3.5-large": ("sd3", "Stable Diffusion 3.5 Large", "hero"),
    "ultra": ("ultra", "Stable Image Ultra", "hero"),
}
DECLINED = {
    "content_moderation": "Stability AI declined the prompt.",
    "invalid_prompts": "Stability AI declined a word of the prompt; it does not say which.",
    "public_figure": "Stability AI makes no pictures of public figures.",
}
NO_CREDIT = ("insufficient_balance", "payment_required")


class Stability(Adapter):
    slug = "stability"
    label = "Stability AI"
    base_url = "https://api.stability.ai"
    key_env = "STABILITY_API_KEY"
    capabilities = frozenset({Capability.IMAGE})
    offers = (
        *(
            OfferSpec(capability=Capability.IMAGE, name=name, label=label, max_prompt=10_000, tier=tier)
            for name, (_, label, tier) in STABLE_IMAGE.items()
        ),
        OfferSpec(
            capability=Capability.IMAGE,
            name=SDXL,
            label="Stable Diffusion XL 1.0",
            max_prompt=2000,
            takes=SAMPLES,
            sizes=SIZES_OF_SDXL,
            tier="draft",
        ),
    )
    deadline_s: ClassVar = {Capability.IMAGE: 180.0}  # ten pictures come as 30 MB
    usual_s: ClassVar = {Capability.IMAGE: (3.0, 20.0)}
    where_to_look = "https://platform.stability.ai/account/credits"

    def headers(self) -> dict[str, str]:
        return {**super().headers(), "Accept": "application/json"}

    def submit(self, request: Request) -> Finished | Failed:
        return self._one(request) if request.offer in STABLE_IMAGE else self._several(request)

    def _one(self, request: Request) -> Finished | Failed:
        """v2beta takes nothing but a multipart form, even where no file is in it."""
        service = STABLE_IMAGE[request.offer][0]
        width, height = nearest(RATIOS, request.width, request.height)
        form: dict[str, Any] = {
            "prompt": request.prompt[:10_000],
            "aspect_ratio": f"{width}:{height}",
            "seed": _seed(request, LARGEST_SEED),
            "output_format": "png",
            **({"model": request.offer} if service == "sd3" else {}),
            **request.own,
        }
        answer = self.send(
            "POST",
            f"/v2beta/stable-image/generate/{service}",
            files={name: (None, str(value)) for name, value in form.items()},
            paid=True,
            timeout_s=self.deadline_of(request.capability),
        )
        said = answer.said(self.label)
        return _judged(answer, said, [said], "finish_reason", "image", f"image/{form['output_format']}")

    def _several(self, request: Request) -> Finished | Failed:
        width, height = nearest(SIZES_OF_SDXL, request.width, request.height)
        body: dict[str, Any] = {
            "text_prompts": [{"text": request.prompt[:2000], "weight": 1}],
            "width": width,
            "height": height,
            "samples": min(request.takes, SAMPLES),
            "seed": _seed(request, LARGEST_SEED + 1),
            "steps": STEPS,
            **request.own,
        }
        answer = self.send(
            "POST",
            f"/v1/generation/{quote(request.offer, safe='')}/text-to-image",
            json=body,
            paid=True,
            timeout_s=self.deadline_of(request.capability),
        )
        said = answer.said(self.label)
        # The document says that a bare list comes; the vendor's own examples read "artifacts".
        pictures = list(said.items() if isinstance(said.value, list) else said.items("artifacts"))
        return _judged(answer, said, pictures, "finishReason", "base64", "image/png")

    def account(self) -> str:
        return f"The key works; {self.read('GET', '/v1/user/balance').number('credits'):,.0f} credits are left."

    def error_of(self, response: HttpAnswer) -> CallError:
        status, name = response.status_code, _name(response)
        if status == 429:
            message = "Stability AI has locked the account out for a minute: too many requests."
            return RateLimited(message, retry_after_s=LOCKED_OUT_S, detail=response.detail)
        if status == 402 or name in NO_CREDIT:
            message = "Stability AI says the account is out of credits."
            return OutOfCredit(message, detail=response.detail, http_status=status)
        if name in DECLINED:
            return Rejected(DECLINED[name], moderated=True, detail=response.detail, http_status=status)
        if name == "invalid_language":
            message = "Stability AI takes prompts in English only."
            return Rejected(message, detail=response.detail, http_status=status)
        if status == 404:
            message = "Stability AI does not offer this model to the account."
            return Rejected(message, detail=response.detail, http_status=status)
        return super().error_of(response)


def _seed(request: Request, largest: int) -> int:
    return request.seed % largest or largest


def _judged(
    answer: HttpAnswer, said: Said, pictures: Sequence[Said], reason: str, content: str, media_type: str
) -> Finished | Failed:
    """Only what is good goes on: a picture that was filtered comes all the same, blurred, and with status 200.

    Whether one is charged that was filtered is not documented: it counts as charged. One that failed is not.
    """
    words = [picture.text(reason) for picture in pictures]
    count = Counter(words)
    units = {"images": len(words) - count["ERROR"]}
    good = [_decoded(picture, content) for picture, word in zip(pictures, words, strict=True) if word == "SUCCESS"]
    if good:
        outputs = tuple(Output(content=one, media_type=media_type) for one in good)
        return Finished(outputs=outputs, units=units, external_id=answer.headers.get("x-request-id", "")[:100])
    if count["CONTENT_FILTERED"]:
        text = "Stability AI made it and declined to give it."
        return Failed(reason=text, moderated=True, billed=True, units=units)
    if words and not units["images"]:
        return Failed(reason="Stability AI could not make it.")
    raise said.unusable("a picture or a reason")


def _decoded(picture: Said, name: str) -> bytes:
    try:
        return base64.b64decode(picture.text(name), validate=True)
    except ValueError as error:
        raise Unknown("Stability AI answered with a picture that cannot be read.") from error


def _name(response: HttpAnswer) -> str:
    """Of the error; v1 and v2beta both have it, and differ in all else."""
    said = response.said("").value
    return str(said.get("name", "")) if isinstance(said, dict) else ""
