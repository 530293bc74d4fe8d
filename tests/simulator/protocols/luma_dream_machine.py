"""Luma's Dream Machine, 1.1.0: pictures by address, a listing that repeats requests, callbacks that nobody signs."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..books import Row
from ..manner import request_of
from ..replies import Asked, Reply
from .base import BadBody, Protocol

if TYPE_CHECKING:
    from ..vendor import Vendors

RATIOS = {"1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"}
SIDES = {"540p": 540, "720p": 720, "1080p": 1080, "4k": 2160}
MICRO_A_MEGAPIXEL = {"ray-2": 6400, "ray-flash-2": 2200}
FIELDS = {"generation_type", "prompt", "aspect_ratio", "loop", "keyframes", "callback_url", "model", "resolution"}
FIELDS |= {"duration", "concepts"}
WORDS = {"queued": "queued", "throttled": "queued", "running": "dreaming", "succeeded": "completed"}


class LumaDreamMachine(Protocol):
    slug = "luma_dream_machine"
    settings = {
        "concurrency": 10,
        "limits": [{"requests": 20, "per_s": 60}],
        "latency_s": [30, 120],
        "retry_after": "none",
        "page_size": 100_000,
        "hook_events": "all",
        "hook_tries": 4,
        "hook_gap_s": 0.1,
        "account": {"failure": "", "cents": 500_000.0},
    }

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        said = asked.headers.get("authorization", "")
        if not said.startswith("Bearer ") or "bad" in said:
            return self.refuse(vendors, asked, 401, "Invalid API key is provided")
        match asked.method, asked.path[2:] if asked.path[:2] == ("dream-machine", "v1") else ():
            case "GET", ("ping",):
                return Reply(body={"message": "pong"})
            case "GET", ("credits",):
                return Reply(body={"credit_balance": vendors.behaviour.of(self.slug)["account"].get("cents", 1.0)})
            case "POST", ("generations", "video"):
                return self._created(vendors, asked)
            case "GET", ("generations",):
                return self._listed(vendors, asked)
            case "GET" | "DELETE", ("generations", name):
                return self._looked(vendors, asked, name)
        return self.refuse(vendors, asked, 404, "Not Found")

    def _created(self, vendors: Vendors, asked: Asked) -> Reply:
        try:
            said = self.said(asked)
            self._check(said)
        except BadBody as trouble:
            return self.refuse(vendors, asked, 400, str(trouble))
        order = self._order(said)
        if vendors.behaviour.of(self.slug)["account"].get("cents", 1.0) <= 0:
            return self.refuse(vendors, asked, 400, "Insufficient credits")
        return self.take(vendors, asked, "clip", order)

    def _check(self, said: dict[str, Any]) -> None:
        if unknown := set(said) - FIELDS:
            raise BadBody(f"Unknown field: {', '.join(sorted(unknown))}")
        if said.get("generation_type", "video") != "video":
            raise BadBody("Unknown request type")
        if said.get("model") not in MICRO_A_MEGAPIXEL:
            raise BadBody("Unknown model")
        frames = said.get("keyframes") or {}
        prompt = said.get("prompt")
        if prompt is None and not frames:
            raise BadBody("Prompt is required")
        if prompt is not None and len(prompt) < 3:
            raise BadBody("Prompt is too short, minimum length is 3")
        if prompt is not None and len(prompt) > 5000:
            raise BadBody("Prompt is too long, maximum length is 5000")
        if said.get("aspect_ratio", "16:9") not in RATIOS:
            raise BadBody("Aspect ratio is not supported")
        if said.get("duration", "5s") not in ("5s", "9s") or said.get("resolution", "720p") not in SIDES:
            raise BadBody("Duration or resolution is not supported")
        if said.get("loop") and len(frames) == 2:
            raise BadBody("Loop is not supported with keyframes")
        for frame in frames.values():
            is_picture = frame.get("type") == "image" and str(frame.get("url", "")).startswith(("https://", "http://"))
            if not is_picture and not (frame.get("type") == "generation" and frame.get("id")):
                raise BadBody("No keyframes provided")

    def _order(self, said: dict[str, Any]) -> dict[str, Any]:
        across, down = map(int, said.get("aspect_ratio", "16:9").split(":"))
        side = SIDES[said.get("resolution", "720p")]
        calls = said.get("callback_url")
        return {
            "model": said["model"],
            "prompt": said.get("prompt", ""),
            "seconds": int(said.get("duration", "5s")[:-1]),
            "side": side,
            "width": side * across // min(across, down),
            "height": side * down // min(across, down),
            "said": said,
            "tag": _tag(said),
            **({"callback_url": calls} if calls else {}),
        }

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        """By the printed list, which is the same for every ratio. Rounded up."""
        pixels = body["side"] * body["side"] * 16 // 9 * 24 * body["seconds"]
        return -(-int(pixels) * MICRO_A_MEGAPIXEL[body["model"]] // 1_000_000)

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        return str(uuid.UUID(int=chance.getrandbits(128), version=4))

    # -- looks -----------------------------------------------------------------------------------

    def _looked(self, vendors: Vendors, asked: Asked, name: str) -> Reply:
        jobs = self.see(vendors, asked, name)
        if isinstance(jobs, Reply):
            return jobs
        if not jobs or jobs[0]["cancelled_at"] is not None:
            return self.failed(asked, 404, "Generation not found")
        if asked.method == "DELETE":
            self.end(vendors, asked, jobs[0])  # also one that is over: it is gone, and paid for
            return Reply(status=204, body=b"")
        return Reply(body=self._generation(vendors, jobs[0], asked.at, asked.base))

    def _listed(self, vendors: Vendors, asked: Asked) -> Reply:
        """The newest first."""
        found = self.page(vendors, asked)
        if isinstance(found, Reply):
            return found
        jobs = [job for job in reversed(found[0]) if job["cancelled_at"] is None]
        limit, offset = int(asked.query.get("limit", 100)), int(asked.query.get("offset", 0))
        shown = [self._generation(vendors, job, asked.at, asked.base) for job in jobs[offset : offset + limit]]
        beside = {"count": len(shown), "limit": limit, "offset": offset, "has_more": len(jobs) > offset + limit}
        return Reply(body={"generations": shown, **beside})

    def _generation(self, vendors: Vendors, job: Row, now: float, base: str) -> dict[str, Any]:
        status = vendors.status(job, now)
        made_at = datetime.fromtimestamp(vendors.clock.real(job["accepted_at"]), UTC)
        told: dict[str, Any] = {
            "id": job["id"],
            "generation_type": "video",
            "state": WORDS.get(status, status),
            "failure_reason": None,
            "created_at": made_at.isoformat().replace("+00:00", "Z"),
            "assets": None,
            "model": request_of(job)["model"],
            "request": {"generation_type": "video", "resolution": "720p", "duration": "5s", **request_of(job)["said"]},
        }
        if status == "succeeded":
            (url,) = self.links(vendors, job, base)
            told["assets"] = {"video": url, "image": f"{url}.jpg"}
        if status == "failed":
            usual = "Advanced prompt moderation failed" if job["ending"] == "moderated" else "Job failed"
            told["failure_reason"] = vendors.behaviour.of(self.slug)["account"].get("failure") or usual
        return told

    # -- words -----------------------------------------------------------------------------------

    def taken(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        return Reply(status=201, body=self._generation(vendors, job, job["accepted_at"], asked.base))

    def refused(self, vendors: Vendors, asked: Asked, refusal: Any) -> Reply:
        return self.failed(asked, 429, "Too many requests")

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        return Reply(status=status, body={"detail": why})

    def hook(self, vendors: Vendors, job: Row, base: str) -> dict[str, Any]:
        return self._generation(vendors, job, vendors.clock.now(), base)

    def signs(self, message: str, body: str, secret: str, at: float) -> dict[str, str]:
        return {}


def _tag(said: dict[str, Any]) -> str:
    """By which the books can be read: out of the address to be called, or of the picture's fragment."""
    parts = urlsplit(str(said.get("callback_url") or "")).path.strip("/").split("/")
    picture = (said.get("keyframes") or {}).get("frame0", {}).get("url", "")
    return parts[-2] if len(parts) > 1 else urlsplit(picture).fragment
