"""What Kling AI is asked for, in either design of its interface, and what it costs."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...offer_spec import OfferSpec
from ...pictures import small_enough
from ...types import Capability, InputFile, Request

SHORT = (5, 10)
LONG = tuple(range(3, 16))
MOST_LETTERS = 2500  # of a prompt: what both designs take
MOST_BYTES = 10 * 10**6  # of a picture: the classic design's limit, the lower one
SHORT_SIDE = {"720p": 720, "1080p": 1080, "4k": 2160}
MODES = {"std": "720p", "pro": "1080p", "4k": "4k"}  # the classic design's words
# Thousandths of a unit a second, (silent, with sound): https://kling.ai/document-api/pricing/base/video (2026-09)
RATES = {
    "kling-3.0-turbo": {"720p": (800, 800), "1080p": (1000, 1000)},
    "kling-3.0": {"720p": (600, 900), "1080p": (800, 1200), "4k": (3000, 3000)},
    "kling-2.6": {"720p": (300, 1200), "1080p": (500, 1200)},  # with sound 1.0 to 1.2 units, at 1080p alone
    "kling-2.5-turbo": {"720p": (300, 300), "1080p": (500, 500)},
}
DEAREST = {"720p": (1000, 1200), "1080p": (1000, 1200), "4k": (3000, 3000)}  # for a model that is not among them
WITH_SOUND = {"kling-2.6", "kling-3.0"}
CLASSIC = {"kling-3.0": "kling-v3", "kling-2.6": "kling-v2-6", "kling-2.5-turbo": "kling-v2-5-turbo"}
NEW_ONLY = {"kling-3.0-turbo"}
CLASSIC_PATH = "/v1/videos/image2video"


def _offer(name: str, label: str, lengths: tuple[int, ...], tier: str) -> OfferSpec:
    """Without sizes: a clip has the ratio of its picture, at 720p, 1080p or 4k."""
    return OfferSpec(
        capability=Capability.CLIP,
        name=name,
        label=label,
        lengths=lengths,
        max_prompt=MOST_LETTERS,
        takes_image=True,
        tier=tier,
    )


OFFERS = (
    _offer("kling-3.0-turbo", "Kling 3.0 Turbo", LONG, "standard"),
    _offer("kling-3.0", "Kling 3.0", LONG, "hero"),
    _offer("kling-2.6", "Kling 2.6", SHORT, "standard"),
    _offer("kling-2.5-turbo", "Kling 2.5 Turbo", SHORT, "draft"),
)


class Terms(NamedTuple):
    """What the price depends on."""

    resolution: str
    seconds: int
    has_sound: bool


def terms_of(request: Request) -> Terms:
    """An offer's own parameters come first, in the words of either design."""
    own = request.own
    if isinstance(settings := own.get("settings"), dict):
        own |= settings
    resolution = MODES.get(str(own.get("mode"))) or str(own.get("resolution") or _resolution(request))
    length = str(own.get("duration", ""))
    seconds = int(length) if length.isdecimal() else _seconds(request)
    return Terms(resolution, seconds, own.get("audio") == "native" or own.get("sound") == "on")


def _resolution(request: Request) -> str:
    """The lowest whose short side is enough, else the highest."""
    sold = list(RATES.get(request.offer, {})) or ["720p", "1080p"]
    side = min(request.width, request.height)
    return next((name for name in sold if SHORT_SIDE[name] >= side), sold[-1])


def _seconds(request: Request) -> int:
    lengths = next((offer.lengths for offer in OFFERS if offer.name == request.offer), SHORT)
    return next((length for length in lengths if length >= round(request.seconds, 2)), lengths[-1])


def order(request: Request, picture: str) -> tuple[str, dict[str, Any]]:
    """(path, body) in the new design."""
    terms = terms_of(request)
    settings: dict[str, Any] = {"resolution": terms.resolution, "duration": terms.seconds}
    if request.offer in WITH_SOUND:
        settings["audio"] = "native" if terms.has_sound else "off"
    return f"/image-to-video/{request.offer}", {
        "contents": [
            {"type": "prompt", "text": request.prompt[:MOST_LETTERS]},
            {"type": "first_frame", "url": picture},
        ],
        "settings": settings,
        "options": {"external_task_id": request.tag, "watermark_info": {"enabled": False}, **_callback(request)},
    }


def classic_order(request: Request, picture: str) -> tuple[str, dict[str, Any]]:
    """(path, body) in the classic design: lengths are texts there."""
    terms = terms_of(request)
    body = {
        "model_name": CLASSIC.get(request.offer, request.offer),
        "image": picture,
        "prompt": request.prompt[:MOST_LETTERS],
        "mode": "std" if terms.resolution == "720p" else "pro",
        "duration": str(terms.seconds),
        "external_task_id": request.tag,
        "watermark_info": {"enabled": False},
        **_callback(request),
    }
    if request.offer in WITH_SOUND:
        body["sound"] = "on" if terms.has_sound else "off"
    return CLASSIC_PATH, body


def _callback(request: Request) -> dict[str, str]:
    return {"callback_url": request.callback_url} if request.callback_url else {}


def base64_of(picture: InputFile) -> str:
    """Bare: with data:… in front it is refused."""
    return base64.b64encode(small_enough(picture, MOST_BYTES)[0]).decode()


def merged(body: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` and `options` keep what an offer's own parameters do not name."""
    whole = {**body, **own}
    for name in ("settings", "options"):
        if isinstance(body.get(name), dict) and isinstance(own.get(name), dict):
            whole[name] = {**body[name], **own[name]}
    return whole
