"""Haiper's interface for 2.0 as it was documented: public and enhanced by default, the clean video by another call."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..books import Row
from ..manner import request_of
from ..replies import Asked, Reply
from .base import OVER, BadBody, Protocol

if TYPE_CHECKING:
    from ..vendor import Vendors

MICRO = {720: 50_000, 540: 33_000}  # a second
FIELDS = {"prompt", "negative_prompt", "gen_mode", "config", "settings", "is_public", "is_enable_prompt_enhancer"}
CONFIG = {"source_image", "camera_movement"}
SETTINGS = {"duration", "resolution", "seed", "guidance_scale"}
WORDS = {"queued": "pending", "throttled": "pending", "running": "processing", "succeeded": "succeed"}
CODES = {"429 concurrency": "VB-100011", 403: "H-10002002", 404: "H-10002001"}


class Haiper(Protocol):
    slug = "haiper"
    settings = {
        "concurrency": 40,
        "limits": [{"requests": 500, "per_s": 60}],
        "latency_s": [60, 180],
        "retry_after": "none",
        "link_life_s": 3600.0,
        "account": {"code": ""},  # what is wrong with it, told at every submit: VB-100012, VB-100017, VB-100020
    }

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        key = asked.headers.get("authorization", "")
        if not key.startswith("Bearer ") or "bad" in key:
            return self.refuse(vendors, asked, 401, "The key is not valid.")
        match asked.method, asked.path:
            case "POST", ("v1", "jobs", "gen2", "image2video"):
                return self._submitted(vendors, asked)
            case "GET", ("v1", "jobs", name, "status"):
                return self._of_job(vendors, asked, name, self._status)
            case "GET", ("v1", "creation", name):
                return self._of_job(vendors, asked, name, self._creation)
            case "POST", ("v1", "creation", name, "watermark-free-url"):
                return self._of_job(vendors, asked, name, self._clean)
            case "POST", ("v1", "jobs", name, "cancel"):
                return self._of_job(vendors, asked, name, self._cancelled)
        return self.refuse(vendors, asked, 404, "not found")

    def _submitted(self, vendors: Vendors, asked: Asked) -> Reply:
        if code := vendors.behaviour.of(self.slug)["account"].get("code"):
            vendors.books.saw(vendors.entry(asked), verdict="bad request")
            return _error(429 if code in ("VB-100011", "VB-100012") else 400, "something is wrong", code)
        try:
            return self.take(vendors, asked, "clip", self._order(self.said(asked)))
        except BadBody as trouble:
            return self.refuse(vendors, asked, 400, str(trouble))

    def _order(self, said: dict[str, Any]) -> dict[str, Any]:
        config, settings = said.get("config"), said.get("settings", {})
        if not isinstance(config, dict) or not isinstance(settings, dict):
            raise BadBody("config and settings are objects")
        if unknown := (set(said) - FIELDS) | (set(config) - CONFIG) | (set(settings) - SETTINGS):
            raise BadBody(f"unknown: {', '.join(sorted(unknown))}")
        picture = config.get("source_image")
        if not isinstance(picture, str) or not picture.startswith(("https://", "http://", "data:image/")):
            raise BadBody("config.source_image is missing")
        seconds, lines = settings.get("duration", 6), settings.get("resolution", 720)
        if type(seconds) is not int or not 1 <= seconds <= 6 or lines not in MICRO:
            raise BadBody("settings.duration is 1 to 6, settings.resolution 540 or 720")
        if not isinstance(said.get("prompt"), str) or not said["prompt"]:
            raise BadBody("prompt is missing")
        if said.get("gen_mode", "smooth") not in ("smooth", "enhanced"):
            raise BadBody("gen_mode is smooth or enhanced")
        return {
            "model": "gen2",
            "prompt": said["prompt"],
            "width": lines * 16 // 9,
            "height": lines,
            "seconds": seconds,
            "seed": settings.get("seed", -1),
            "is_public": said.get("is_public", True),
            "is_enhanced": said.get("is_enable_prompt_enhancer", True),
        }

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        return MICRO[body["height"]] * int(body["seconds"])

    # -- looks -----------------------------------------------------------------------------------

    def _of_job(self, vendors: Vendors, asked: Asked, name: str, tell: Any) -> Reply:
        jobs = self.see(vendors, asked, name)
        if isinstance(jobs, Reply):
            return jobs
        return tell(vendors, asked, jobs[0]) if jobs else self.failed(asked, 404, "content not found")

    def _status(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        status = vendors.status(job, asked.at)
        told: dict[str, Any] = {"status": "failed" if status == "cancelled" else WORDS.get(status, status)}
        if status == "running":
            share = (asked.at - job["starts_at"]) / ((job["done_at"] or 1e18) - job["starts_at"])
            told |= {"status": "post_processing" if share > 0.9 else "processing", "progress": round(share, 2)}
        if status == "failed" and job["ending"] == "moderated":
            told |= {"code": "VB-100017", "message": "content policy"}
        return _fine(told)

    def _creation(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        if vendors.status(job, asked.at) != "succeeded":
            return self.failed(asked, 404, "content not found")
        said, marked = request_of(job), self.links(vendors, job, asked.base, 2)[1]
        return _fine(
            {
                "creation_id": job["id"],
                "type": "video",
                "input_type": "image",
                "prompt": said["prompt"],
                "status": "succeed",
                "is_public": said["is_public"],
                "video_url": marked,
                "thumbnail_url": f"{marked}&thumbnail",
                "settings": {"fps": 24, "width": said["width"], "height": said["height"]},
                "output_type": "video",
                "outputs": [{"id": job["id"], "media_url": marked, "thumbnail_url": f"{marked}&thumbnail"}],
            }
        )

    def _clean(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        if vendors.status(job, asked.at) != "succeeded":
            return self.failed(asked, 400, "not done")
        life_s = vendors.behaviour.of(self.slug)["link_life_s"]
        until = datetime.fromtimestamp(vendors.clock.real(asked.at + life_s), UTC)
        expires = until.isoformat(timespec="seconds").replace("+00:00", "Z")
        return _fine({"url": self.links(vendors, job, asked.base)[0], "expire_time": expires})

    def _cancelled(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        """Pending jobs only."""
        status = vendors.status(job, asked.at)
        if status in OVER or status == "running":
            return self.failed(asked, 400, "not pending")
        self.end(vendors, asked, job)
        return _fine({"status": "cancelled"})

    # -- words -----------------------------------------------------------------------------------

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        return f"{number:06x}{chance.getrandbits(72):018x}"

    def taken(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        return _fine({"generation_id": job["id"]})

    def refused(self, vendors: Vendors, asked: Asked, refusal: Any) -> Reply:
        return _error(429, "too many", CODES.get(refusal.why, ""))

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        return _error(status, why, CODES.get(status, ""))


def _fine(value: dict[str, Any]) -> Reply:
    return Reply(body={"status": "success", "value": value})


def _error(status: int, why: str, code: str) -> Reply:
    return Reply(status=status, body={"error": {"message": why, "code": code, "details": []}})
