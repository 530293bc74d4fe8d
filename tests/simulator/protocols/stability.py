"""Stability AI's interface: v2beta with one picture a request, in forms; v1 with up to ten, in JSON. All at once.

`account`: `credits`, which fall; of each request the first `filtered` pictures are blurred, the next `broken` failed.
"""

from __future__ import annotations

import base64
import io
import random
import uuid
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..books import Row
from ..manner import count_of, request_of
from ..replies import Asked, Reply
from .base import BadBody, Protocol

if TYPE_CHECKING:
    from ..vendor import Vendors

RATIOS = {"21:9", "16:9", "3:2", "5:4", "1:1", "4:5", "2:3", "9:16", "9:21"}
STYLES = {
    "enhance",
    "anime",
    "photographic",
    "digital-art",
    "comic-book",
    "fantasy-art",
    "line-art",
    "analog-film",
    "neon-punk",
    "isometric",
    "low-poly",
    "origami",
    "modeling-compound",
    "cinematic",
    "3d-model",
    "pixel-art",
    "tile-texture",
}
COMMON = {"prompt", "negative_prompt", "aspect_ratio", "seed", "style_preset", "output_format"}
FIELDS = {
    "core": COMMON,
    "ultra": COMMON | {"image", "strength"},
    "sd3": COMMON | {"image", "strength", "mode", "model", "cfg_scale"},
}
MICRO = {
    "core": 30_000,
    "ultra": 80_000,
    "sd3.5-large": 65_000,
    "sd3.5-large-turbo": 40_000,
    "sd3.5-medium": 35_000,
    "sd3.5-flash": 25_000,
    "stable-diffusion-xl-1024-v1-0": 9_000,
}
ENGINES = {"stable-diffusion-xl-1024-v1-0": "Stable Diffusion XL v1.0"}
SIZES = {(1024, 1024), (1152, 896), (1216, 832), (1344, 768), (1536, 640)}
OF_V1 = {"text_prompts", "samples", "height", "width", "cfg_scale", "steps", "seed", "sampler"}
OF_V1 |= {"clip_guidance_preset", "style_preset"}
NAMES = {
    400: "bad_request",
    401: "unauthorized",
    402: "insufficient_balance",
    404: "not_found",
    413: "payload_too_large",
    429: "rate_limit_exceeded",
}
LOCKED_OUT = (
    "You have exceeded the rate limit of 150 requests within a 10 second period, "
    "and have been timed out for 60 seconds."
)
MOST_BYTES = 10 * 2**20


class Named(BadBody):
    """A refusal with a status and a name of its own."""

    def __init__(self, status: int, name: str, why: str) -> None:
        super().__init__(why)
        self.status, self.name = status, name


class Stability(Protocol):
    slug = "stability"
    settings = {
        "limits": [{"requests": 150, "per_s": 10}],
        "lockout_s": 60.0,
        "latency_s": [2, 8],
        "retry_after": "none",
        "account": {"credits": 100_000.0, "filtered": 0, "broken": 0},
    }

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        if not asked.headers.get("authorization", "").startswith("Bearer ") or "bad" in asked.headers["authorization"]:
            return self.refuse(vendors, asked, 401, "missing authorization header or invalid key")
        if len(asked.raw) > MOST_BYTES:
            return self.refuse(vendors, asked, 413, "the request is larger than 10 MiB")
        try:
            match asked.method, asked.path:
                case "POST", ("v2beta", "stable-image", "generate", service) if service in FIELDS:
                    return self._make(vendors, asked, self._order_of_form(service, asked))
                case "POST", ("v1", "generation", engine, "text-to-image"):
                    return self._make(vendors, asked, self._order_of_json(engine, asked))
                case "GET", ("v1", "user", "balance"):
                    return self._told(vendors, asked, {"credits": self._left_micro(vendors) / 10_000})
                case "GET", ("v1", "engines", "list"):
                    return self._told(vendors, asked, [_engine(*engine) for engine in ENGINES.items()])
        except Named as trouble:
            vendors.books.saw(vendors.entry(asked), verdict="bad request")
            return _error(asked, trouble.status, trouble.name, str(trouble))
        except BadBody as trouble:
            return self.refuse(vendors, asked, 400, str(trouble))
        return self.refuse(vendors, asked, 404, "no such path")

    def _told(self, vendors: Vendors, asked: Asked, body: Any) -> Reply:
        trouble = self.see(vendors, asked)
        return trouble if isinstance(trouble, Reply) else Reply(body=body)

    def _make(self, vendors: Vendors, asked: Asked, order: dict[str, Any]) -> Reply:
        if self._left_micro(vendors) < MICRO[order["model"]] * count_of(order):
            return self.refuse(vendors, asked, 402, "You lack sufficient credits to make this request.")
        return self.take(vendors, asked, "image", order, waits=True)

    def _left_micro(self, vendors: Vendors) -> int:
        sql = "SELECT ifnull(sum(billed_micro), 0) AS spent FROM jobs WHERE vendor = ?"
        spent = int(vendors.books.rows(sql, self.slug)[0]["spent"])
        return round(float(vendors.behaviour.of(self.slug)["account"]["credits"]) * 10_000) - spent

    # -- what is asked for -----------------------------------------------------------------------

    def _order_of_form(self, service: str, asked: Asked) -> dict[str, Any]:
        form = self.form(asked)
        if asked.headers.get("accept", "*/*") not in ("*/*", "image/*", "application/json"):
            raise BadBody("accept: must be image/* or application/json")
        if unknown := set(form) - FIELDS[service]:
            raise BadBody(f"{', '.join(sorted(unknown))}: not a field of {service}")
        model = str(form.get("model", "sd3.5-large")) if service == "sd3" else service
        if model not in MICRO:
            raise BadBody("model: unknown")
        prompt = _text(form, "prompt", 10_000)
        if not prompt:
            raise BadBody("prompt: is required")
        _text(form, "negative_prompt", 10_000)
        aspect = str(form.get("aspect_ratio", "1:1"))
        for name, value, allowed in (
            ("aspect_ratio", aspect, RATIOS),
            ("output_format", form.get("output_format", "png"), {"jpeg", "png", "webp"}),
            ("style_preset", form.get("style_preset", "cinematic"), STYLES),
            ("mode", form.get("mode", "text-to-image"), {"text-to-image", "image-to-image"}),
        ):
            if value not in allowed:
                raise BadBody(f"{name}: must be one of {', '.join(sorted(allowed))}")
        seed = int(_within(form.get("seed", "0"), 0, 4_294_967_294, "seed"))
        _within(form.get("cfg_scale", "4"), 1, 10, "cfg_scale")
        _within(form.get("strength", "0"), 0, 1, "strength")
        if ("image" in form) != ("strength" in form):
            raise BadBody("image and strength: both or none")
        _must_be_english(prompt)
        width, height = _pixels(aspect, 1.5 if service == "core" else 1.0)
        form_of_file = {"format": str(form["output_format"])} if form.get("output_format", "png") != "png" else {}
        return {"prompt": prompt, "model": model, "width": width, "height": height, "seed": seed, **form_of_file}

    def _order_of_json(self, engine: str, asked: Asked) -> dict[str, Any]:
        if engine not in ENGINES:
            raise Named(404, "not_found", f"The specified engine (ID {engine}) was not found.")
        said = self.said(asked)
        if unknown := set(said) - OF_V1:
            raise BadBody(f"unknown fields: {', '.join(sorted(unknown))}")
        prompts = said.get("text_prompts")
        if not isinstance(prompts, list) or not prompts:
            raise Named(400, "invalid_prompts", "text_prompts: at least one is required")
        for prompt in prompts:
            if not isinstance(prompt, dict) or not isinstance(prompt.get("text"), str) or len(prompt["text"]) > 2000:
                raise Named(400, "invalid_prompts", "text_prompts: each needs a text of at most 2000 characters")
        size = (said.get("width", 512), said.get("height", 512))
        if size not in SIZES and size[::-1] not in SIZES:
            raise Named(400, "invalid_height_or_width", f"for {engine} {size[0]}x{size[1]} is not allowed")
        samples = _whole(said, "samples", 1, 1, 10, "invalid_samples")
        if samples > 1 and asked.headers.get("accept") == "image/png":
            raise Named(400, "invalid_samples", "one picture only, where it is to come as a PNG")
        _whole(said, "steps", 50, 10, 150, "bad_request")
        seed = _whole(said, "seed", 0, 0, 4_294_967_295, "bad_request")
        _within(said.get("cfg_scale", 7), 0, 35, "cfg_scale")
        text = " ".join(prompt["text"] for prompt in prompts)
        order = {"prompt": text, "model": engine, "seed": seed, "count": samples}
        return {**order, "width": size[0], "height": size[1]}

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        """Pictures that were filtered are charged here, those that broke are not."""
        broken = vendors.behaviour.of(self.slug)["account"].get("broken", 0)
        return MICRO[body["model"]] * max(0, count_of(body) - int(broken))

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        return f"{chance.getrandbits(128):032x}"

    # -- words -----------------------------------------------------------------------------------

    def finished(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        account, count = vendors.behaviour.of(self.slug)["account"], count_of(request_of(job))
        filtered, broken = account.get("filtered", 0), account.get("broken", 0)
        words = (["CONTENT_FILTERED"] * filtered + ["ERROR"] * broken + ["SUCCESS"] * count)[:count]
        seed = request_of(job)["seed"] or int(job["id"][:7], 16)
        is_first = asked.path[0] == "v1"
        accepted = asked.headers.get("accept", "*/*")
        raw = accepted == "image/png" if is_first else accepted != "application/json"

        def shape(contents: list[bytes]) -> Any:
            pairs = zip(contents, words, strict=True)
            given = [_blurred(content) if word == "CONTENT_FILTERED" else content for content, word in pairs]
            if raw:
                return given[0]
            texts = [base64.b64encode(one).decode() for one in given]
            if not is_first:
                return {"image": texts[0], "finish_reason": words[0], "seed": seed}
            rows = enumerate(zip(texts, words, strict=True))
            return {"artifacts": [{"base64": text, "seed": seed + n, "finishReason": word} for n, (text, word) in rows]}

        reply = Reply(made=[(job, number) for number in range(count)], shape=shape)
        if not is_first:
            reply.headers["x-request-id"] = job["id"]
        if raw:
            reply.media_type = f"image/{request_of(job).get('format', 'png')}"
            reply.headers |= {"finish-reason": words[0], "seed": str(seed)}
        return reply

    def declined(self, asked: Asked, why: str) -> Reply:
        if why != "content_policy":
            return _error(asked, 500, "server_error" if asked.path[0] == "v1" else "internal_error", why)
        if asked.path[0] == "v1":
            return _error(asked, 400, "invalid_prompts", "Invalid prompts detected")
        text = (
            "Your request was flagged by our content moderation system, and as a result was denied. It is not charged."
        )
        return _error(asked, 403, "content_moderation", text)

    def refused(self, vendors: Vendors, asked: Asked, refusal: Any) -> Reply:
        return self.failed(asked, 429, LOCKED_OUT)

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        inside = "server_error" if asked.path[:1] == ("v1",) else "internal_error"
        return _error(asked, status, NAMES.get(status, inside), why)


def _error(asked: Asked, status: int, name: str, why: str) -> Reply:
    number = name if status == 429 else uuid.uuid4().hex
    if asked.path[:1] == ("v1",):
        return Reply(status=status, body={"id": number, "name": name, "message": why})
    return Reply(status=status, body={"id": number, "name": name, "errors": [why]})


def _engine(name: str, label: str) -> dict[str, str]:
    return {"id": name, "name": label, "description": f"{label} of Stability AI", "type": "PICTURE"}


def _text(form: dict[str, str | bytes], name: str, most: int) -> str:
    text = form.get(name, "")
    if not isinstance(text, str) or len(text) > most:
        raise BadBody(f"{name}: at most {most} characters")
    return text


def _within(value: Any, least: float, most: float, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadBody(f"{name}: not a number") from None
    if not least <= number <= most:
        raise BadBody(f"{name}: must be from {least} to {most}")
    return number


def _whole(said: dict[str, Any], name: str, usual: int, least: int, most: int, trouble: str) -> int:
    value = said.get(name, usual)
    if type(value) is not int or not least <= value <= most:
        raise Named(400, trouble, f"{name}: must be from {least} to {most}")
    return int(value)


def _must_be_english(prompt: str) -> None:
    """By its letters; the vendor knows languages better."""
    if any(letter.isalpha() and ord(letter) > 0x24F for letter in prompt):
        raise Named(422, "invalid_language", "English is the only supported language for this service.")


def _pixels(aspect: str, megapixels: float) -> tuple[int, int]:
    """Not documented: the nearest multiples of 64 with about so much area."""
    across, down = map(int, aspect.split(":"))
    unit = (megapixels * 2**20 / (across * down)) ** 0.5
    return round(across * unit / 64) * 64, round(down * unit / 64) * 64


def _blurred(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        picture.reduce(min(32, *picture.size)).resize(picture.size).save(buffer, picture.format or "PNG")
    return buffer.getvalue()
