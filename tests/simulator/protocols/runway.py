"""Runway's interface, version 2024-11-06: tasks that wait as THROTTLED instead of being refused."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..books import Row
from ..manner import request_of
from ..replies import Asked, Reply
from .base import OVER, BadBody, Protocol

if TYPE_CHECKING:
    from ..vendor import Vendors

RATIOS = {"1280:720", "720:1280", "1104:832", "832:1104", "960:960", "1584:672"}
CREDITS = {"gen4_turbo": 5, "gen4.5": 12}
FIELDS = {"model", "promptImage", "promptText", "ratio", "duration", "seed", "contentModeration", "outputFormat"}
WORDS = {"queued": "PENDING", "throttled": "THROTTLED", "running": "RUNNING", "succeeded": "SUCCEEDED"}


class Runway(Protocol):
    slug = "runway"
    settings = {
        "concurrency": 1,
        "over_concurrency": "throttle",
        "limits": [{"requests": 50, "per_s": 86_400}],
        "latency_s": [20, 90],
        "retry_after": "none",
        "link_life_s": 86_400.0,
        "account": {"credits": 100_000, "failure": ""},
    }

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        if not asked.headers.get("authorization", "").startswith("Bearer ") or "bad" in asked.headers["authorization"]:
            return self.refuse(vendors, asked, 401, "The API key is not valid.")
        if asked.headers.get("x-runway-version") != "2024-11-06":
            return self.refuse(vendors, asked, 400, "X-Runway-Version is missing or not supported.")
        match asked.method, asked.path:
            case "POST", ("v1", "image_to_video"):
                try:
                    return self.take(vendors, asked, "clip", self._order(self.said(asked)))
                except BadBody as trouble:
                    return self.refuse(vendors, asked, 400, str(trouble))
            case "GET", ("v1", "tasks", name):
                jobs = self.see(vendors, asked, name)
                if isinstance(jobs, Reply):
                    return jobs
                is_there = jobs and not self._is_deleted(vendors, asked)
                return Reply(body=self._task(vendors, asked, jobs[0])) if is_there else self.failed(asked, 404, "gone")
            case "DELETE", ("v1", "tasks", name):
                was_deleted = self._is_deleted(vendors, asked)
                jobs = self.see(vendors, asked, name)
                if isinstance(jobs, Reply):
                    return jobs
                if not jobs or was_deleted:
                    return self.failed(asked, 404, "gone")
                if vendors.status(jobs[0], asked.at) not in OVER:
                    self.end(vendors, asked, jobs[0])
                return Reply(status=204, body=b"")
            case "GET", ("v1", "organization"):
                return Reply(body=self._organization(vendors))
        return self.refuse(vendors, asked, 404, "not found")

    def _order(self, said: dict[str, Any]) -> dict[str, Any]:
        if unknown := set(said) - FIELDS:
            raise BadBody(f"Unrecognized key(s): {', '.join(sorted(unknown))}")
        if said.get("model") not in CREDITS:
            raise BadBody("Invalid model")
        if said.get("ratio") not in RATIOS:
            raise BadBody("Invalid ratio")
        picture = said.get("promptImage")
        if not isinstance(picture, str) or not picture.startswith(("https://", "data:image/", "runway://")):
            raise BadBody("Invalid promptImage")
        seconds, text = said.get("duration"), said.get("promptText", "")
        if type(seconds) is not int or not 2 <= seconds <= 10:
            raise BadBody("Invalid duration")
        if len(text) > 1000 or (said["model"] == "gen4.5" and not text):
            raise BadBody("Invalid promptText")
        width, height = map(int, said["ratio"].split(":"))
        return {
            "model": said["model"],
            "prompt": text,
            "width": width,
            "height": height,
            "seconds": seconds,
            "seed": said.get("seed"),
        }

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        return CREDITS[body["model"]] * int(body["seconds"]) * 10_000

    def _task(self, vendors: Vendors, asked: Asked, job: Row) -> dict[str, Any]:
        status = vendors.status(job, asked.at)
        made_at = datetime.fromtimestamp(vendors.clock.real(job["accepted_at"]), UTC)
        told: dict[str, Any] = {
            "id": job["id"],
            "status": WORDS.get(status, "FAILED" if status == "failed" else status.upper()),
            "createdAt": made_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        credits = job["billed_micro"] // 10_000
        if status == "succeeded":
            return {**told, "output": self.links(vendors, job, asked.base), "cost": {"credits": credits}}
        if status == "failed":
            code = "SAFETY.INPUT.TEXT" if job["ending"] == "moderated" else "INTERNAL.BAD_OUTPUT.01"
            code = vendors.behaviour.of(self.slug)["account"].get("failure") or code
            return {**told, "failure": "it failed", "failureCode": code, "cost": {"credits": credits}}
        if status == "running":
            told["progress"] = round((asked.at - job["starts_at"]) / (job["done_at"] - job["starts_at"]), 2)
        return {**told, "estimatedCost": {"credits": float(credits)}}

    def _is_deleted(self, vendors: Vendors, asked: Asked) -> bool:
        """A task that was over keeps its bill."""
        sql = "SELECT 1 FROM requests WHERE vendor = ? AND method = 'DELETE' AND verdict = 'looked' AND path = ?"
        return bool(vendors.books.rows(sql, asked.vendor, "/".join(asked.path)))

    def _organization(self, vendors: Vendors) -> dict[str, Any]:
        settings = vendors.behaviour.of(self.slug)
        day = next((limit["requests"] for limit in settings["limits"] if "requests" in limit), None)
        most = {"maxConcurrentGenerations": settings["concurrency"] or None, "maxDailyGenerations": day}
        return {
            "creditBalance": settings["account"]["credits"],
            "tier": {"maxMonthlyCreditSpend": 10_000, "models": dict.fromkeys(CREDITS, most)},
            "usage": {"models": dict.fromkeys(CREDITS, {"dailyGenerations": 0})},
        }

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        return str(uuid.UUID(int=chance.getrandbits(128), version=4))

    # -- words -----------------------------------------------------------------------------------

    def taken(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        credits = CREDITS[request_of(job)["model"]] * int(request_of(job)["seconds"])
        return Reply(body={"id": job["id"], "estimatedCost": {"credits": credits}})

    def refused(self, vendors: Vendors, asked: Asked, refusal: Any) -> Reply:
        return self.failed(asked, 429, "You have reached your daily generation limit.")

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        body = {"error": why, "docUrl": "https://docs.dev.runwayml.com/errors"}
        return Reply(status=status, body=body)
