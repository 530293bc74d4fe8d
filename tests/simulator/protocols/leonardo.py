"""Leonardo AI's interface, v1: generations that wait as PENDING, a listing without tags, webhooks with a bare key.

`account`: `dollars`, which fall, and the `unit` of costs; `pending` jobs at most; the status of declined prompts
(`declined`); of each generation the first `nsfw` pictures are marked so, and `missing` ones do not come at all.
"""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..books import Row
from ..manner import count_of, request_of
from ..replies import Asked, Reply
from .base import BadBody, Protocol, found

if TYPE_CHECKING:
    from ..vendor import Vendors

NAMES: dict[tuple[type, ...], str] = {
    (int,): "height width num_images num_inference_steps seed",
    (int, float): """contrast contrastRatio guidance_scale imagePromptWeight init_strength photoRealStrength
        promptMagicStrength unzoomAmount upscaleRatio weighting""",
    (bool,): """alchemy canvasRequest controlNet enhancePrompt expandedDomain fantasyAvatar highContrast highResolution
        photoReal promptMagic public tiling ultra unzoom""",
    (str,): """canvasInitId canvasMaskId canvasRequestType controlNetType enhancePromptInstruction
        init_generation_image_id init_image_id modelId negative_prompt photoRealVersion presetStyle prompt
        promptMagicVersion scheduler sd_version styleUUID transparency""",
    (list,): "controlnets elements imagePrompts userElements",
}
KINDS = {name: kind for kind, names in NAMES.items() for name in names.split()}
USUAL = {"num_images": 4, "width": 1024, "height": 768, "alchemy": True, "seed": None, "public": False}
USUAL_MODEL = "b24e16ff-06e3-43eb-8d33-4416c2d75876"
CONTRASTS = (1, 1.3, 1.8, 2.5, 3, 3.5, 4, 4.5)
MICRO_A_PICTURE, AREA = 4_500, 896 * 896  # twice as much with Alchemy
MICRO_A_CREDIT = 1_960
WORDS = {"queued": "PENDING", "throttled": "PENDING", "running": "PENDING", "succeeded": "COMPLETE", "failed": "FAILED"}
USER = "5d4f2b9a-6c1e-4f3a-9b7d-2e8c1a0f4d33"
CODES = {401: "access-denied", 400: "bad-request"}


class Leonardo(Protocol):
    slug = "leonardo"
    settings = {
        "concurrency": 10,
        "over_concurrency": "throttle",
        "limits": [{"requests": 100, "per_s": 60}],
        "latency_s": [2, 8],
        "retry_after": "none",
        "keeps_tags": False,
        "page_size": 100_000,
        "hook_secret": "a-webhook-key",
        "account": {"dollars": 1000.0, "unit": "DOLLARS", "pending": 200, "declined": 400, "nsfw": 0, "missing": 0},
    }

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        if asked.path[:3] != ("api", "rest", "v1"):  # Cloudflare's, before anybody looks at the key
            vendors.books.saw(vendors.entry(asked), verdict="bad request")
            return Reply(status=403, body=b"<!DOCTYPE html><title>Forbidden</title>", media_type="text/html")
        key = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if not key or "bad" in key:
            return self.refuse(vendors, asked, 401, "Authentication hook unauthorized this request")
        if "revoked" in key:
            return self.refuse(vendors, asked, 500, "Invalid response from authorization hook")
        match asked.method, asked.path[3:]:
            case "POST", ("generations",):
                return self._make(vendors, asked)
            case "GET", ("generations", "user", user):
                return self._listing(vendors, asked) if user == USER else Reply(body={"generations": []})
            case "GET", ("generations", name):
                jobs = self.see(vendors, asked, name)
                if isinstance(jobs, Reply):
                    return jobs
                job = found(jobs)
                return Reply(body={"generations_by_pk": self._told(vendors, asked, job) if job else None})
            case "GET", ("me",):
                jobs = self.see(vendors, asked)
                return jobs if isinstance(jobs, Reply) else Reply(body={"user_details": [self._me(vendors)]})
        return self.refuse(vendors, asked, 404, "not found")

    def _make(self, vendors: Vendors, asked: Asked) -> Reply:
        settings = vendors.behaviour.of(self.slug)
        account = settings["account"]
        try:
            order = self._order(self.said(asked))
        except BadBody as trouble:
            return self.refuse(vendors, asked, 400, str(trouble))
        for word in settings["moderated_words"]:
            if word in order["prompt"].lower():
                return self.refuse(vendors, asked, account.get("declined", 400), f"content moderation filter: {word}")
        if self._left_micro(vendors) < _price_micro(order):
            return self.refuse(vendors, asked, 400, f"not enough api tokens userId: {USER}")
        if len(vendors.books.ends_of_living(self.slug, asked.at)) >= account.get("pending", 200):
            return self.refuse(vendors, asked, 429, "too many pending jobs")
        return self.take(vendors, asked, "image", order)

    def _order(self, said: dict[str, Any]) -> dict[str, Any]:
        for name, value in said.items():
            if name not in KINDS:
                raise BadBody(f'Unexpected variable "{name}"')
            is_right = isinstance(value, KINDS[name]) and (type(value) is not bool or KINDS[name] == (bool,))
            if value is not None and not is_right:
                raise BadBody(f'unexpected value for variable "{name}"')
        said = {**USUAL, **{name: value for name, value in said.items() if value is not None}}
        if said.get("prompt") is None:
            raise BadBody('expecting a value for non-nullable variable: "prompt"')
        if len(said["prompt"]) > 1500:
            raise BadBody("Invalid prompt, maximum length of 1500 characters exceeded.")
        size = (said["width"], said["height"])
        if any(side % 8 or not 32 <= side <= (1024 if said["alchemy"] else 1536) for side in size):
            raise BadBody("invalid dimensions")
        if not 1 <= said["num_images"] <= (4 if max(size) > 768 else 8):
            raise BadBody("too many images: num_images must be between 1 and 4, or 8 up to 768 pixels")
        if said["alchemy"] and said.get("ultra"):
            raise BadBody("ultra cannot be used with alchemy")
        if said.get("contrast") is not None and said["contrast"] not in CONTRASTS:
            raise BadBody(f"contrast must be one of {CONTRASTS}")
        if said["seed"] is not None and not 0 <= said["seed"] <= 9_999_999_998:
            raise BadBody("invalid seed")
        if not said["alchemy"] and said.get("presetStyle", "NONE") not in ("NONE", "LEONARDO"):
            raise BadBody("presetStyle: use LEONARDO or NONE without alchemy")
        return {
            "prompt": said["prompt"],
            "model": said.get("modelId") or USUAL_MODEL,
            "width": size[0],
            "height": size[1],
            "count": said["num_images"],
            "seed": said["seed"],
            "format": "jpeg",
            "alchemy": said["alchemy"],
            "public": said["public"],
        }

    # -- money -----------------------------------------------------------------------------------

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        return _price_micro(body)

    def _left_micro(self, vendors: Vendors) -> int:
        sql = "SELECT ifnull(sum(billed_micro), 0) AS spent FROM jobs WHERE vendor = ?"
        spent = int(vendors.books.rows(sql, self.slug)[0]["spent"])
        return round(float(vendors.behaviour.of(self.slug)["account"]["dollars"]) * 1_000_000) - spent

    def _me(self, vendors: Vendors) -> dict[str, Any]:
        return {
            "user": {"id": USER, "username": "a-team"},
            "tokenRenewalDate": None,
            "paidTokens": 0,
            "subscriptionTokens": 0,
            "subscriptionGptTokens": 0,
            "subscriptionModelTokens": 0,
            "apiConcurrencySlots": vendors.behaviour.of(self.slug)["concurrency"],
            "apiPaidTokens": self._left_micro(vendors) // MICRO_A_CREDIT,
            "apiSubscriptionTokens": 0,
            "apiPlanTokenRenewalDate": None,
        }

    # -- telling ---------------------------------------------------------------------------------

    def _listing(self, vendors: Vendors, asked: Asked) -> Reply:
        """The newest first."""
        page = self.page(vendors, asked)
        if isinstance(page, Reply):
            return page
        first, most = int(asked.query.get("offset", 0)), int(asked.query.get("limit", 10))
        jobs = page[0][::-1][first : first + most]
        return Reply(body={"generations": [self._told(vendors, asked, job) for job in jobs]})

    def _told(self, vendors: Vendors, asked: Asked, job: Row) -> dict[str, Any]:
        order, status = request_of(job), vendors.status(job, asked.at)
        made_at = datetime.fromtimestamp(vendors.clock.real(job["accepted_at"]), UTC)
        images = self._images(vendors, job, asked.base, asked.at)
        # What is made and must not be seen is COMPLETE, too.
        word = "COMPLETE" if images else WORDS.get(status, status.upper())
        return {
            "id": job["id"],
            "status": word,
            "prompt": order["prompt"],
            "negativePrompt": None,
            "modelId": order["model"],
            "imageWidth": order["width"],
            "imageHeight": order["height"],
            "seed": order["seed"],
            "public": order["public"],
            "createdAt": made_at.replace(tzinfo=None).isoformat(timespec="milliseconds"),
            "generated_images": [
                {**image, "likeCount": 0, "motionMP4URL": None, "generated_image_variation_generics": []}
                for image in images
            ],
        }

    def _images(self, vendors: Vendors, job: Row, base: str, at: float) -> list[dict[str, Any]]:
        account, status = vendors.behaviour.of(self.slug)["account"], vendors.status(job, at)
        is_moderated = status == "failed" and job["ending"] == "moderated"
        if status != "succeeded" and not is_moderated:
            return []
        count = count_of(request_of(job)) - account.get("missing", 0)
        nsfw = count if is_moderated else account.get("nsfw", 0)
        links = self.links(vendors, job, base, count)
        return [{"id": _uuid(f"{job['id']}:{n}"), "url": link, "nsfw": n < nsfw} for n, link in enumerate(links)]

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        return str(uuid.UUID(int=chance.getrandbits(128), version=4))

    # -- words -----------------------------------------------------------------------------------

    def taken(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        micro, unit = _price_micro(request_of(job)), vendors.behaviour.of(self.slug)["account"].get("unit", "DOLLARS")
        amount = f"{micro / 1_000_000:.6f}" if unit == "DOLLARS" else str(-(-micro // MICRO_A_CREDIT))
        cost = {"amount": amount, "unit": unit}
        return Reply(body={"sdGenerationJob": {"generationId": job["id"], "apiCreditCost": None, "cost": cost}})

    def refused(self, vendors: Vendors, asked: Asked, refusal: Any) -> Reply:
        return self.failed(asked, 429, "rate limit exceeded")

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        if status == 402:
            status, why = 400, f"not enough api tokens userId: {USER}"
        if status == 401:
            why = "Authentication hook unauthorized this request"
        body = {"error": why, "path": "$", "code": CODES.get(status, "unexpected")}
        return Reply(status=status, body=body)

    # -- webhooks --------------------------------------------------------------------------------

    def hook(self, vendors: Vendors, job: Row, base: str) -> dict[str, Any]:
        """The documents know only of an end that is good; here one comes of any end, which changes but the moment."""
        now = vendors.clock.now()
        order, images = request_of(job), self._images(vendors, job, base, now)
        return {
            "type": "image_generation.complete",
            "object": "generation",
            "timestamp": self.real_ms(vendors, now),
            "api_version": "v1",
            "data": {
                "object": {
                    "id": job["id"],
                    "status": "COMPLETE" if images else "FAILED",
                    "nsfw": any(image["nsfw"] for image in images),
                    "flagged": False,
                    "quantity": count_of(order),
                    "prompt": order["prompt"],
                    "imageHeight": order["height"],
                    "imageWidth": order["width"],
                    "seed": str(order["seed"]),
                    "apiDollarCost": str(round(job["billed_micro"] / 1000)),
                    "images": [{**image, "generationId": job["id"]} for image in images],
                    "apiKey": {
                        "key": "the-api-key-in-clear",
                        "webhookCallbackUrl": order.get("callback_url", ""),
                        "webhookCallbackApiKey": vendors.behaviour.of(self.slug)["hook_secret"],
                    },
                }
            },
        }

    def signs(self, message: str, body: str, secret: str, at: float) -> dict[str, str]:
        return {"Authorization": f"Bearer {secret}"}


def _price_micro(order: dict[str, Any]) -> int:
    micro = MICRO_A_PICTURE * count_of(order) * order["width"] * order["height"] // AREA
    return int(2 * micro if order["alchemy"] else micro)


def _uuid(name: str) -> str:
    return str(uuid.UUID(int=random.Random(name).getrandbits(128), version=4))
