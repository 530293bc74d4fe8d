"""Pika's models in fal.ai's queue: what is too much waits, failures are COMPLETED, webhooks are signed with Ed25519.

It checks requests when they come. fal.ai itself may well take them first and let the model refuse them.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from ..books import Row
from ..replies import Asked, Reply
from .base import OVER, BadBody, Protocol

if TYPE_CHECKING:
    from ..vendor import Vendors

PRICES = {  # millionths of a dollar, of five seconds
    "fal-ai/pika/v2.2/image-to-video": {"720p": 200_000, "1080p": 450_000},
    "fal-ai/pika/v2.1/image-to-video": {"720p": 400_000, "1080p": 400_000},
    "fal-ai/pika/v2/turbo/image-to-video": {"720p": 200_000, "1080p": 200_000},
}
SIDES = {"720p": 720, "1080p": 1080}
WORDS = {"queued": "IN_QUEUE", "throttled": "IN_QUEUE", "running": "IN_PROGRESS"}
WORDS |= dict.fromkeys(OVER[:3], "COMPLETED")
TYPES = {400: "bad_request", 499: "client_cancelled", 500: "internal_error", 502: "runner_incomplete_response"}
TYPES |= {503: "runner_scheduling_failure", 504: "request_timeout"}
STATUSES = {"generation_timeout": 504, "internal_server_error": 500, "downstream_service_error": 502}
USER = "auth0|0123456789"


class Pika(Protocol):
    slug = "pika"
    settings = {
        "concurrency": 2,
        "over_concurrency": "throttle",
        "latency_s": [40, 120],
        "retry_after": "none",
        "hook_tries": 11,
        "hook_gap_s": 720.0,
        "account": {"failure": "", "is_locked": False, "response_path": "/response"},
    }

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        match asked.method, asked.path:
            case "GET", (".well-known", "jwks.json"):
                return Reply(body={"keys": [self._published(vendors)]})
        said = asked.headers.get("authorization", "")
        if not said.startswith("Key ") or "bad" in said:
            return self.refuse(vendors, asked, 401, "Authentication is required to access this application.")
        match asked.method, asked.path:
            case "POST", ("fal-ai", "pika", *_):
                return self._submitted(vendors, asked)
            case "GET", ("fal-ai", "pika", "requests", name, "status"):
                return self._looked(vendors, asked, name, self._status)
            case "GET", ("fal-ai", "pika", "requests", name) | ("fal-ai", "pika", "requests", name, "response"):
                return self._looked(vendors, asked, name, self._result)
            case "PUT", ("fal-ai", "pika", "requests", name, "cancel"):
                return self._cancelled(vendors, asked, name)
        return self.refuse(vendors, asked, 404, "Not Found")

    # -- submits ---------------------------------------------------------------------------------

    def _submitted(self, vendors: Vendors, asked: Asked) -> Reply:
        if vendors.behaviour.of(self.slug)["account"].get("is_locked"):
            why = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
            return self.refuse(vendors, asked, 403, why)
        most = asked.query.get("fal_max_queue_length", "")
        waiting = [job for job in vendors.books.living(self.slug, asked.at) if job["starts_at"] > asked.at]
        if most.isdecimal() and len(waiting) >= int(most):
            return self.refuse(vendors, asked, 429, "The queue is full.")
        try:
            return self.take(vendors, asked, "clip", self._order(asked))
        except BadBody as trouble:
            name, why = str(trouble).split(": ", 1) if ": " in str(trouble) else ("", str(trouble))
            vendors.books.saw(vendors.entry(asked), verdict="bad request")
            return Reply(status=422, body=_detail("value_error", why, ["body", *filter(None, [name])]))

    def _order(self, asked: Asked) -> dict[str, Any]:
        said, model = self.said(asked), "/".join(asked.path)
        if model not in PRICES:
            raise BadBody("no such application")
        for name in ("prompt", "image_url"):
            if not isinstance(said.get(name), str) or not said[name]:
                raise BadBody(f"{name}: field required")
        resolution, seconds = said.get("resolution", "720p"), said.get("duration", 5)
        if resolution not in SIDES:
            raise BadBody("resolution: unexpected value")
        if seconds not in (5, 10, "5", "10"):
            raise BadBody("duration: unexpected value")
        seed = said.get("seed")
        if seed is not None and type(seed) is not int:
            raise BadBody("seed: value is not a valid integer")
        width, height = _size(said["image_url"], SIDES[resolution])
        hook = asked.query.get("fal_webhook", "")
        return {
            "model": model,
            "prompt": said["prompt"],
            "resolution": resolution,
            "seconds": int(seconds),
            "width": width,
            "height": height,
            "seed": seed,
            **({"callback_url": hook, "tag": _tag(hook)} if hook else {}),
        }

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        return PRICES[body["model"]][body["resolution"]] * int(body["seconds"]) // 5

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        return str(uuid.UUID(int=chance.getrandbits(128), version=4))

    def taken(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        body = {"status": "IN_QUEUE", "queue_position": 0, "gateway_request_id": job["id"]}
        return _of_job(job, 200, {**body, **self._addresses(vendors, asked, job)})

    # -- looks -----------------------------------------------------------------------------------

    def _looked(self, vendors: Vendors, asked: Asked, name: str, tell: Any) -> Reply:
        jobs = self.see(vendors, asked, name)
        if isinstance(jobs, Reply):
            return jobs
        if not jobs:
            return self.failed(asked, 404, "Request not found")
        told: Reply = tell(vendors, asked, jobs[0])
        return told

    def _addresses(self, vendors: Vendors, asked: Asked, job: Row) -> dict[str, Any]:
        root = f"{asked.base}/fal-ai/pika/requests/{job['id']}"
        path = vendors.behaviour.of(self.slug)["account"].get("response_path", "")
        addresses = {"response_url": root + path, "status_url": f"{root}/status", "cancel_url": f"{root}/cancel"}
        return {"request_id": job["id"], **addresses}

    def _status(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        status = vendors.status(job, asked.at)
        word = WORDS.get(status, status.upper())
        body = {"status": word, **self._addresses(vendors, asked, job)}
        if word == "IN_QUEUE":
            ahead = [other for other in vendors.books.living(self.slug, asked.at) if other["starts_at"] > asked.at]
            return _of_job(job, 202, {**body, "queue_position": max(0, len(ahead) - 1)})
        if word != "COMPLETED":
            return _of_job(job, 202, {**body, "logs": None})
        body |= {"logs": None, "metrics": {"inference_time": round((job["done_at"] or 0) - job["starts_at"], 3)}}
        if status == "cancelled":
            body |= {"error": "The request was cancelled.", "error_type": TYPES[499]}
        if status == "failed":
            body |= {"error": "The model answered with an error."}
        return _of_job(job, 200, body)

    def _result(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        status = vendors.status(job, asked.at)
        if status == "cancelled":
            reply = self.failed(asked, 499, "The request was cancelled.")
        elif status == "failed":
            kind = self._failure(vendors, job)
            reply = Reply(
                status=STATUSES.get(kind, 422), body=_detail(kind, "It could not be made.", ["body", "prompt"])
            )
        elif status != "succeeded":
            return self.failed(asked, 400, "Request is still in progress")
        else:
            reply = Reply(body=self._clip(vendors, job, asked.base))
        reply.headers |= {"X-Fal-Request-Id": job["id"], "X-Fal-Billable-Units": f"{job['billed_micro'] / 200_000:g}"}
        return reply

    def _clip(self, vendors: Vendors, job: Row, base: str) -> dict[str, Any]:
        (url,) = self.links(vendors, job, base)
        return {"video": {"url": url, "content_type": "video/mp4", "file_name": "clip.mp4", "file_size": 4_404_019}}

    def _failure(self, vendors: Vendors, job: Row) -> str:
        usual = "content_policy_violation" if job["ending"] == "moderated" else "no_media_generated"
        return str(vendors.behaviour.of(self.slug)["account"].get("failure") or usual)

    def _cancelled(self, vendors: Vendors, asked: Asked, name: str) -> Reply:
        jobs = self.see(vendors, asked, name)
        if isinstance(jobs, Reply):
            return jobs
        if not jobs:
            return Reply(status=404, body={"status": "NOT_FOUND"})
        status = vendors.status(jobs[0], asked.at)
        if status in OVER:
            return Reply(status=400, body={"status": "ALREADY_COMPLETED"})
        if WORDS.get(status) != "IN_QUEUE":
            return Reply(status=202, body={"status": "CANCELLATION_REQUESTED"})  # it runs on here, and is billed
        self.end(vendors, asked, jobs[0])
        return Reply(body={"status": "OK"})

    # -- words -----------------------------------------------------------------------------------

    def refused(self, vendors: Vendors, asked: Asked, refusal: Any) -> Reply:
        return self.failed(asked, 429, "Too many requests.")

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        kind = TYPES.get(status, "")
        typed = {"error_type": kind} if kind else {}
        return Reply(status=status, body={"detail": why, **typed}, headers={"X-Fal-Error-Type": kind} if kind else {})

    # -- webhooks --------------------------------------------------------------------------------

    def hook(self, vendors: Vendors, job: Row, base: str) -> dict[str, Any]:
        told: dict[str, Any] = {"request_id": job["id"], "gateway_request_id": job["id"]}
        status = vendors.status(job, vendors.clock.now())
        if status == "succeeded":
            return {**told, "status": "OK", "payload": self._clip(vendors, job, base)}
        if status == "cancelled":
            return {**told, "status": "ERROR", "error": "The request was cancelled.", "payload": None}
        payload = _detail(self._failure(vendors, job), "It could not be made.", ["body", "prompt"])
        return {**told, "status": "ERROR", "error": "Unexpected status code: 422", "payload": payload}

    def signs(self, message: str, body: str, secret: str, at: float) -> dict[str, str]:
        request_id, sent_at = json.loads(body)["request_id"], str(int(at))
        text = "\n".join([request_id, USER, sent_at, hashlib.sha256(body.encode()).hexdigest()])
        return {
            "X-Fal-Webhook-Request-Id": request_id,
            "X-Fal-Webhook-User-Id": USER,
            "X-Fal-Webhook-Timestamp": sent_at,
            "X-Fal-Webhook-Signature": _key_of(secret).sign(text.encode()).hex(),
        }

    def _published(self, vendors: Vendors) -> dict[str, str]:
        public = _key_of(vendors.behaviour.of(self.slug)["hook_secret"]).public_key().public_bytes_raw()
        return {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(public).rstrip(b"=").decode()}


def _key_of(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(secret.encode()).digest())


def _of_job(job: Row, status: int, body: dict[str, Any]) -> Reply:
    return Reply(status=status, body=body, headers={"X-Fal-Request-Id": job["id"]})


def _detail(kind: str, why: str, place: list[str]) -> dict[str, Any]:
    return {
        "detail": [{"loc": place, "msg": why, "type": kind, "url": f"https://docs.fal.ai/errors#{kind}", "ctx": {}}]
    }


def _tag(hook: str) -> str:
    """The part before the last of the address, by which the books can be read."""
    return "/".join(["", *urlsplit(hook).path.strip("/").split("/")]).split("/")[-2]


def _size(picture: str, side: int) -> tuple[int, int]:
    """As the picture is, with this short side; of one that is elsewhere nothing is known."""
    if not picture.startswith("data:image/"):
        if not picture.startswith(("https://", "http://")):
            raise BadBody("image_url: invalid or missing URL scheme")
        return side * 16 // 9, side
    try:
        content = base64.b64decode(picture.partition(";base64,")[2], validate=True)
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except (ValueError, OSError):
        raise BadBody("image_url: could not load the image") from None
    scale = side / min(width, height)
    return round(width * scale), round(height * scale)
