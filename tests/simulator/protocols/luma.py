"""Luma's Agents interface, version 2026-04-01: generations that are asked for by id, and nothing else."""

from __future__ import annotations

import base64
import random
import uuid
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Any

from ..books import Row
from ..manner import request_of
from ..meters import Told
from ..replies import Asked, Reply
from .base import BadBody, Protocol

if TYPE_CHECKING:
    from ..vendor import Vendors

RATIOS = {"9:16", "3:4", "1:1", "4:3", "16:9", "21:9"}
SIDES = {"360p": 360, "540p": 540, "720p": 720, "1080p": 1080}
CENTS = {"360p": {"5s": 15, "10s": 45}, "540p": {"5s": 15, "10s": 45}, "720p": {"5s": 30, "10s": 90}}
CENTS["1080p"] = {"5s": 120, "10s": 360}
FIELDS = {"model", "type", "prompt", "aspect_ratio", "user_id", "video"}
OF_VIDEO = {"resolution", "duration", "loop", "hdr", "exr_export", "start_frame", "end_frame"}
OF_VIDEO |= {"keyframes", "keyframe_indexes"}
WORDS = {"queued": "queued", "throttled": "queued", "running": "processing", "succeeded": "completed"}
MOST_BYTES = 50 * 2**20


class BadMedia(BadBody):
    """A picture that cannot be used: it has a status of its own."""


class Luma(Protocol):
    slug = "luma"
    settings = {
        "concurrency": 10,
        "limits": [{"requests": 30, "per_s": 60}],
        "latency_s": [40, 180],
        "tell_headers": True,
        "link_life_s": 3600.0,
        "account": {"failure": "", "credits": True},
    }

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        reply = self._answer(vendors, asked)
        reply.headers |= {"X-API-Version": "2026-04-01"}
        reply.headers |= {"X-Request-Id": asked.headers.get("x-request-id") or str(uuid.uuid4())}
        return reply

    def _answer(self, vendors: Vendors, asked: Asked) -> Reply:
        said = asked.headers.get("authorization", "")
        if not said.startswith("Bearer "):
            return self.refuse(vendors, asked, 401, "Missing or invalid Authorization header")
        if "bad" in said:
            return self.refuse(vendors, asked, 401, "Invalid API key")
        match asked.method, asked.path:
            case "POST", ("v1", "generations"):
                return self._created(vendors, asked)
            case "GET", ("v1", "generations", name):
                jobs = self.see(vendors, asked, name)
                if isinstance(jobs, Reply):
                    return jobs
                if not jobs:
                    return self.failed(asked, 404, "Generation not found")
                return Reply(body=self._generation(vendors, asked, jobs[0]))
        return self.refuse(vendors, asked, 404, "Not Found")

    def _created(self, vendors: Vendors, asked: Asked) -> Reply:
        if not vendors.behaviour.of(self.slug)["account"].get("credits", True):
            return self.refuse(vendors, asked, 402, "Insufficient credits")
        try:
            reply = self.take(vendors, asked, "clip", self._order(self.said(asked)))
        except BadBody as trouble:
            status = 422 if isinstance(trouble, BadMedia) else 400
            return self.refuse(vendors, asked, 413 if "50 MB" in str(trouble) else status, str(trouble))
        if reply.status == 429 and "concurrent" in str(reply.body):
            reply.headers = {name: said for name, said in reply.headers.items() if "ratelimit" not in name.lower()}
        return reply

    def _order(self, said: dict[str, Any]) -> dict[str, Any]:
        video = said.get("video") or {}
        if unknown := (set(said) - FIELDS) | (set(video) - OF_VIDEO):
            raise BadBody(f"Unknown field: {', '.join(sorted(unknown))}")
        if said.get("model") != "ray-3.2" or said.get("type") != "video":
            raise BadBody("Unknown model or type")
        if not isinstance(said.get("prompt"), str) or not 1 <= len(said["prompt"]) <= 6000:
            raise BadBody("prompt must be between 1 and 6000 characters")
        if said.get("aspect_ratio", "16:9") not in RATIOS:
            raise BadBody("aspect_ratio is not supported")
        resolution, duration = video.get("resolution", "720p"), video.get("duration", "5s")
        if resolution not in SIDES or duration not in ("5s", "10s"):
            raise BadBody("resolution or duration is not supported")
        self._check_frames(video, duration)
        across, down = map(int, said.get("aspect_ratio", "16:9").split(":"))
        side = SIDES[resolution]
        return {
            "model": said["model"],
            "prompt": said["prompt"],
            "resolution": resolution,
            "duration": duration,
            "seconds": int(duration[:-1]),
            "width": side * across // min(across, down),
            "height": side * down // min(across, down),
        }

    def _check_frames(self, video: dict[str, Any], duration: str) -> None:
        ends = [video[name] for name in ("start_frame", "end_frame") if name in video]
        between, places = video.get("keyframes", []), video.get("keyframe_indexes", [])
        if duration == "10s" and ends:
            raise BadBody("duration 10s cannot be combined with start_frame or end_frame")
        if video.get("loop") and (duration == "10s" or video.get("hdr") or "end_frame" in video or between):
            raise BadBody("loop cannot be combined with 10s, hdr, end_frame or keyframes")
        if len(between) > 64 or len(between) != len(places):
            raise BadBody("keyframes and keyframe_indexes must have the same length")
        for frame in (*ends, *between):
            if len([name for name in ("url", "data", "generation_id") if name in frame]) != 1:
                raise BadBody("exactly one of url, data and generation_id is needed")
            if "data" in frame:
                _check_picture(frame)

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        return CENTS[body["resolution"]][body["duration"]] * 10_000

    def _generation(self, vendors: Vendors, asked: Asked, job: Row) -> dict[str, Any]:
        status = vendors.status(job, asked.at)
        made_at = datetime.fromtimestamp(vendors.clock.real(job["accepted_at"]), UTC)
        told: dict[str, Any] = {
            "id": job["id"],
            "type": "video",
            "state": WORDS.get(status, status),
            "model": request_of(job)["model"],
            "created_at": made_at.isoformat().replace("+00:00", "Z"),
            "output": [],
            "failure_reason": None,
            "failure_code": None,
        }
        if status == "succeeded":
            told["output"] = [{"type": "video", "url": url} for url in self.links(vendors, job, asked.base)]
        if status == "failed":
            usual = "content_moderated" if job["ending"] == "moderated" else "generation_failed"
            code = vendors.behaviour.of(self.slug)["account"].get("failure") or usual
            told |= {"failure_code": code, "failure_reason": "The generation failed."}
        return told

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        return str(uuid.UUID(int=chance.getrandbits(128), version=4))

    # -- words -----------------------------------------------------------------------------------

    def taken(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        return Reply(status=201, body=self._generation(vendors, asked, job))

    def refused(self, vendors: Vendors, asked: Asked, refusal: Any) -> Reply:
        is_full = "concurrency" in refusal.why
        wait_s = ceil((60.0 if is_full else refusal.wait_s) / vendors.clock.scale)
        reply = self.failed(asked, 429, "Too many concurrent jobs" if is_full else "Rate limit exceeded")
        reply.headers["Retry-After"] = str(wait_s)
        return reply

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        return Reply(status=status, body={"detail": why})

    def limit_headers(self, vendors: Vendors, asked: Asked, told: dict[str, Told]) -> dict[str, str]:
        limit = told.get("requests")
        if limit is None:
            return {}
        words = (limit.most, limit.remaining, ceil(limit.reset_s / vendors.clock.scale))
        names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
        return {name: str(word) for name, word in zip(names, words, strict=True)}


def _check_picture(frame: dict[str, Any]) -> None:
    if not str(frame.get("media_type", "")).startswith("image/"):
        raise BadMedia("media_type is required with data")
    try:
        content = base64.b64decode(frame["data"], validate=True)
    except (ValueError, TypeError):
        raise BadMedia("Invalid base64 image data") from None
    if len(content) > MOST_BYTES:
        raise BadMedia("Image exceeds 50 MB")
    if not content.startswith((b"\x89PNG", b"\xff\xd8", b"RIFF")):
        raise BadMedia("Data is not an image")
