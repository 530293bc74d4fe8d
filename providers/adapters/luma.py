"""Luma, by its Agents interface: a still picture to a clip with Ray 3.2. Submit and poll; nothing calls back.

https://docs.agents.lumalabs.ai/ (API version 2026-04-01, read 2026-09), its guides to video generation, pricing, rate
limits and error handling; https://github.com/lumalabs/luma-agents-python (0.3.0)
There is no idempotency key, no listing, no reference of ours and no cancelling: a lost answer stays lost (BLIND).
Ray 2 is sold by the older Dream Machine interface alone, with keys of its own: luma_dream_machine.
"""

from __future__ import annotations

import base64
from typing import Any, ClassVar

from ..base import Adapter, HttpAnswer, retry_after
from ..exceptions import CallError, RateLimited, Rejected, Unauthorised
from ..offer_spec import OfferSpec
from ..pictures import nearest, picture_of, small_enough
from ..types import Accepted, Capability, Failed, Finished, Output, Request, Running

RATIOS = {"9:16": (9, 16), "3:4": (3, 4), "1:1": (1, 1), "4:3": (4, 3), "16:9": (16, 9), "21:9": (21, 9)}
SIDES = {"540p": 540, "720p": 720, "1080p": 1080}  # the short one; 360p has no printed price
SIZES = {
    (side * width // min(width, height), side * height // min(width, height)): (name, resolution)
    for name, (width, height) in RATIOS.items()
    for resolution, side in SIDES.items()
}
# SDR, at 5 and 10 seconds: https://docs.agents.lumalabs.ai/guides/pricing/ (read 2026-09)
CENTS = {"540p": (15, 45), "720p": (30, 90), "1080p": (120, 360)}
LENGTHS = (5, 10)
MOST_BYTES = 20 * 2**20  # of a picture; Luma takes 50 MB
MOST_LETTERS = 6000


class Luma(Adapter):
    slug = "luma"
    label = "Luma"
    base_url = "https://agents.lumalabs.ai/v1"
    key_env = "LUMA_AGENTS_API_KEY"
    capabilities = frozenset({Capability.CLIP})
    offers = (
        OfferSpec(
            capability=Capability.CLIP,
            name="ray-3.2",
            label="Ray 3.2",
            lengths=LENGTHS,
            max_prompt=MOST_LETTERS,
            takes_image=True,
            sizes=tuple(SIZES),
            tier="hero",
        ),
    )
    usual_s: ClassVar = {Capability.CLIP: (40.0, 240.0)}
    where_to_look = "https://platform.lumalabs.ai"
    output_hosts = ("*",)  # presigned addresses, of a host that no page names

    RUNNING = frozenset({"queued", "processing"})

    @classmethod
    def most_units(cls, request: Request) -> dict[str, int]:
        _, resolution, seconds = _terms(request)
        cents = CENTS.get(resolution, CENTS["1080p"])[seconds > LENGTHS[0]]
        return {"seconds": seconds, "cents": cents}

    def submit(self, request: Request) -> Accepted:
        picture = picture_of(request)
        if picture is None:
            raise Rejected("Luma makes clips from a picture here, and there is none.")
        content, media_type = small_enough(picture, MOST_BYTES)
        frame = {"data": base64.b64encode(content).decode(), "media_type": media_type}
        ratio, resolution, seconds = _terms(request)
        video: dict[str, Any] = {"resolution": resolution, "duration": f"{seconds}s"}
        if seconds == LENGTHS[0]:
            video["start_frame"] = frame
        else:  # which start_frame cannot be combined with
            video |= {"keyframes": [frame], "keyframe_indexes": [0]}
        own = request.own
        body = {
            "model": request.offer,
            "type": "video",
            "prompt": request.prompt[:MOST_LETTERS],
            "aspect_ratio": ratio,
            "video": video | own.pop("video", {}),
            **own,
        }
        headers = {"X-Request-Id": request.tag} if request.tag else {}  # for their support; nothing finds it again
        deadline_s = self.deadline_of(request.capability)
        made = self.read("POST", "/generations", json=body, headers=headers, paid=True, timeout_s=deadline_s)
        return Accepted(external_id=made.text("id"))

    def poll(self, external_id: str) -> Running | Finished | Failed:
        made = self.read("GET", f"/generations/{external_id}")
        match made.text("state"):
            case "completed":
                clips = [item for item in made.items("output") if item.text("type", default="video") == "video"]
                if not clips:
                    raise made.unusable("a video")
                return Finished(outputs=tuple(Output(url=clip.text("url"), media_type="video/mp4") for clip in clips))
            case "failed":
                code = made.text("failure_code", default="")
                reason = made.text("failure_reason", default="").rstrip(".") or "Luma failed without a reason"
                words = REASONS.get(code, reason[:200])
                return Failed(
                    reason=f"{words} ({code})." if code else f"{words}.",
                    moderated=code == "content_moderated",
                    out_of_credit=code == "budget_exhausted",
                )
            case state:
                return Running(unknown_status="" if state in self.RUNNING else state)

    def error_of(self, response: HttpAnswer) -> CallError:
        said, status = response.said(self.label).text("detail", default="").lower(), response.status_code
        if status == 429 and "concurrent" in said:  # without X-RateLimit headers, and a fixed time to wait
            message = "Luma works on as many jobs of this account as it may."
            return RateLimited(message, retry_after_s=retry_after(response), detail=response.detail)
        if status == 403:
            return Unauthorised("Luma has closed this account.", detail=response.detail, http_status=status)
        return super().error_of(response)


def _terms(request: Request) -> tuple[str, str, int]:
    """(aspect ratio, resolution, seconds): what the price depends on. An offer's own parameters come first."""
    ratio, resolution = SIZES[nearest(SIZES, request.width, request.height)]
    video = request.own.get("video") or {}
    length = str(video.get("duration", "")).removesuffix("s")
    seconds = int(length) if length.isdecimal() else LENGTHS[round(request.seconds, 2) > LENGTHS[0]]
    return ratio, str(video.get("resolution", resolution)), seconds


REASONS = {
    "content_moderated": "Luma declined the prompt or the picture",
    "generation_failed": "Luma failed inside",
    "output_not_found": "Luma made it and lost it",
    "budget_exhausted": "Luma says the account's credits ran out meanwhile",
    "image_too_large": "The picture is too large for Luma",
    "unsupported_format": "Luma does not take pictures of this format",
    "corrupt_input": "Luma could not read the picture",
    "invalid_request": "Luma found the request not valid",
    "rate_limited": "Luma had no room for it",
}
