"""Replicate's interface for Flux models: predictions that are forgotten after an hour, and signed webhooks.

`account`: credit_usd (below 5 one create every low_gap_s; at 0 none), drops (pictures of each success that the safety
checker keeps back), error (what a failed prediction says), kept_s (after which all of it is deleted).
"""

from __future__ import annotations

import base64
import json
import random
import re
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Any

from ..books import Row
from ..limits import Refusal
from ..manner import request_of
from ..meters import Told
from ..replies import Asked, Reply
from .base import OVER, BadBody, Protocol

if TYPE_CHECKING:
    from ..vendor import Vendors

LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
RATIOS = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
    "21:9": (1536, 640),
    "9:21": (640, 1536),
    "3:2": (1216, 832),
    "2:3": (832, 1216),
    "4:5": (896, 1088),
    "5:4": (1088, 896),
    "3:4": (896, 1152),
    "4:3": (1152, 896),
}
OPEN = {"prompt", "aspect_ratio", "num_outputs", "num_inference_steps", "megapixels", "seed", "output_format"}
OPEN |= {"output_quality", "go_fast", "disable_safety_checker"}
PRO = {"prompt", "image_prompt", "aspect_ratio", "width", "height", "safety_tolerance", "prompt_upsampling", "seed"}
PRO |= {"output_format", "output_quality"}
FIELDS = {
    "flux-schnell": OPEN,
    "flux-dev": OPEN | {"guidance", "image", "prompt_strength"},
    "flux-1.1-pro": PRO,
    "flux-pro": PRO | {"steps", "guidance", "interval"},
}
PRICE_MICRO = {"flux-schnell": 3_000, "flux-dev": 25_000, "flux-1.1-pro": 40_000, "flux-pro": 55_000}
WHOLE = {"num_outputs": (1, 4), "output_quality": (0, 100), "safety_tolerance": (1, 6), "seed": (0, 2**63)}
BODY = {"input", "webhook", "webhook_events_filter", "stream"}
EVENTS = {"start", "output", "logs", "completed"}
FORMATS = {"webp": "webp", "jpg": "jpeg", "png": ""}
WORDS = {"queued": "starting", "throttled": "starting", "running": "processing"}
KEPT_S = 3600.0
NSFW = "All generated images contained NSFW content. Try running it again with a different prompt."
PAGE = 100


class Replicate(Protocol):
    slug = "replicate"
    settings = {
        "limits": [{"requests": 600, "per_s": 60, "policy": "bucket"}],
        "tell_headers": True,
        "queue_s": [0.1, 0.5],
        "latency_s": [0.5, 2.5],
        "link_life_s": KEPT_S,
        "keeps_tags": False,
        "page_size": 100_000,
        "hook_tries": 4,
        "hook_gap_s": 20.0,
        "account": {"credit_usd": 100.0, "low_gap_s": 10.0, "drops": 0, "error": "", "kept_s": KEPT_S},
    }

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        reply = self._answer(vendors, asked)
        reply.headers = {"ratelimit-remaining": "2999", "ratelimit-reset": "1", **reply.headers}
        return reply

    def _answer(self, vendors: Vendors, asked: Asked) -> Reply:
        bearer = asked.headers.get("authorization", "")
        if not bearer.startswith("Bearer ") or "bad" in bearer:
            return self.refuse(vendors, asked, 401, "You did not pass a valid authentication token")
        match asked.method, asked.path:
            case "POST", ("v1", "models", "black-forest-labs", model, "predictions") if model in FIELDS:
                return self._create(vendors, asked, model)
            case "POST", ("v1", "models", _, _, "predictions"):
                return self.refuse(vendors, asked, 404, "The requested resource could not be found.")
            case "GET", ("v1", "predictions"):
                return self._listing(vendors, asked)
            case "GET", ("v1", "predictions", name):
                return self._look(vendors, asked, name)
            case "POST", ("v1", "predictions", name, "cancel"):
                return self._cancel(vendors, asked, name)
            case "GET", ("v1", "account"):
                return Reply(body={"type": "user", "username": "maker", "name": "A maker", "github_url": ""})
            case "GET", ("v1", "webhooks", "default", "secret"):
                return Reply(body={"key": vendors.behaviour.of(self.slug)["hook_secret"]})
        return self.refuse(vendors, asked, 404, "The requested resource could not be found.")

    # -- predictions -----------------------------------------------------------------------------

    def _create(self, vendors: Vendors, asked: Asked, model: str) -> Reply:
        credit = vendors.behaviour.of(self.slug)["account"].get("credit_usd", 100.0)
        if credit <= 0:
            return self.refuse(vendors, asked, 402, "You have insufficient credit to run this model.")
        if credit < 5 and (wait_s := self._wait_s(vendors, asked)) > 0:
            vendors.books.saw(vendors.entry(asked), verdict="429 window")
            return self._throttled(vendors, wait_s, low=True)
        try:
            return self.take(vendors, asked, "image", self._order(self.said(asked), model, asked))
        except BadBody as trouble:
            return self.refuse(vendors, asked, 422, str(trouble))

    def _wait_s(self, vendors: Vendors, asked: Asked) -> float:
        """Until one more is taken of an account with little credit."""
        last = vendors.books.rows("SELECT max(accepted_at) AS at FROM jobs WHERE vendor = ?", self.slug)[0]["at"]
        gap_s = vendors.behaviour.of(self.slug)["account"].get("low_gap_s", 10.0)
        return 0.0 if last is None else float(last) + gap_s - asked.at

    def _order(self, said: dict[str, Any], model: str, asked: Asked) -> dict[str, Any]:
        if unknown := set(said) - BODY:
            raise BadBody(f"Additional property {sorted(unknown)[0]} is not allowed")
        given = said.get("input")
        if not isinstance(given, dict):
            raise BadBody("input is required")
        if unknown := set(given) - FIELDS[model]:
            raise BadBody(f"- input: Additional property {sorted(unknown)[0]} is not allowed")
        if not isinstance(given.get("prompt"), str) or not given["prompt"]:
            raise BadBody("- input: prompt is required")
        for name, (least, most) in WHOLE.items():
            if name in given and (type(given[name]) is not int or not least <= given[name] <= most):
                raise BadBody(f"- input.{name}: Must be from {least} to {most}")
        if given.get("output_format", "webp") not in FORMATS:
            raise BadBody("- input.output_format: must be one of the following: webp, jpg, png")
        if not set(said.get("webhook_events_filter", ())) <= EVENTS:
            raise BadBody("webhook_events_filter: must be start, output, logs or completed")
        width, height = self._size(given, model)
        return {
            "model": model,
            "prompt": given["prompt"],
            "width": width,
            "height": height,
            "count": given.get("num_outputs", 1),
            "seed": given.get("seed"),
            "format": FORMATS[given.get("output_format", "webp")],
            "input": given,
            "end_after_s": _seconds(asked.headers.get("cancel-after", "")),
            **({"callback_url": said["webhook"]} if said.get("webhook") else {}),
        }

    def _size(self, given: dict[str, Any], model: str) -> tuple[int, int]:
        ratio = given.get("aspect_ratio", "1:1")
        is_pro = model in ("flux-pro", "flux-1.1-pro")
        if ratio == "custom" and is_pro:
            width, height = given.get("width", 1024), given.get("height", 1024)
            if not all(type(side) is int and 256 <= side <= 1440 for side in (width, height)):
                raise BadBody("- input.width: Must be from 256 to 1440")
            return round(width / 32) * 32, round(height / 32) * 32
        if ratio not in RATIOS or (is_pro and ratio in ("21:9", "9:21")):
            raise BadBody("- input.aspect_ratio: must be one of those of the model")
        if given.get("megapixels", "1") not in ("1", "0.25"):
            raise BadBody('- input.megapixels: must be one of the following: "1", "0.25"')
        by = 2 if given.get("megapixels") == "0.25" else 1
        return RATIOS[ratio][0] // by, RATIOS[ratio][1] // by

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        return PRICE_MICRO[body["model"]] * self._kept(vendors, body)

    def _kept(self, vendors: Vendors, body: dict[str, Any]) -> int:
        """How many pictures are left by the safety checker."""
        return max(0, int(body["count"]) - vendors.behaviour.of(self.slug)["account"].get("drops", 0))

    def _look(self, vendors: Vendors, asked: Asked, name: str) -> Reply:
        jobs = self.see(vendors, asked, name)
        if isinstance(jobs, Reply):
            return jobs
        if not jobs:
            return self.failed(asked, 404, f"The prediction {name} does not exist.")
        self._end_late(vendors, asked, jobs[0])
        return Reply(body=self._told(vendors, jobs[0], asked.base, asked.at))

    def _cancel(self, vendors: Vendors, asked: Asked, name: str) -> Reply:
        jobs = self.see(vendors, asked, name)
        if isinstance(jobs, Reply):
            return jobs
        if not jobs:
            return self.failed(asked, 404, f"The prediction {name} does not exist.")
        if vendors.status(jobs[0], asked.at) not in OVER:
            self.end(vendors, asked, jobs[0])
        return Reply(body=self._told(vendors, jobs[0], asked.base, asked.at))

    def _listing(self, vendors: Vendors, asked: Asked) -> Reply:
        """The newest first; the cursor is nobody's business but ours."""
        query = json.loads(base64.urlsafe_b64decode(asked.query["cursor"])) if "cursor" in asked.query else asked.query
        begin = int(query.get("begin", 0))
        given = {name: query[name] for name in ("created_after", "created_before") if name in query}
        found = self.page(
            vendors, asked, **{name: datetime.fromisoformat(at).timestamp() for name, at in given.items()}
        )
        if isinstance(found, Reply):
            return found
        newest_first = found[0][::-1]
        following = json.dumps({**given, "begin": begin + PAGE}).encode()
        url = f"{asked.base}/v1/predictions?cursor={base64.urlsafe_b64encode(following).decode()}"
        for job in newest_first[begin : begin + PAGE]:
            self._end_late(vendors, asked, job)
        told = [self._told(vendors, job, asked.base, asked.at) for job in newest_first[begin : begin + PAGE]]
        return Reply(
            body={"previous": None, "next": url if len(newest_first) > begin + PAGE else None, "results": told}
        )

    def _end_late(self, vendors: Vendors, asked: Asked, job: Row) -> None:
        """One whose deadline is over."""
        deadline = _deadline(job)
        if deadline is None or job["cancelled_at"] is not None or asked.at <= deadline:
            return
        if job["done_at"] is None or job["done_at"] > deadline:
            self.end(vendors, asked, job)

    # -- telling ---------------------------------------------------------------------------------

    def _told(self, vendors: Vendors, job: Row, base: str, at: float) -> dict[str, Any]:
        request, status, account = request_of(job), _word(vendors, job, at), vendors.behaviour.of(self.slug)["account"]
        is_removed = job["done_at"] is not None and at > job["done_at"] + account.get("kept_s", KEPT_S)
        told: dict[str, Any] = {
            "id": job["id"],
            "model": f"black-forest-labs/{request['model']}",
            "version": "hidden",
            "input": {} if is_removed else request["input"],
            "output": None,
            "logs": "" if is_removed or status == "starting" else f"Using seed: {request['seed'] or 4711}\n",
            "error": None,
            "status": status,
            "data_removed": is_removed,
            "created_at": self._date(vendors, job["accepted_at"]),
            "source": "api",
            "urls": {
                "get": f"{base}/v1/predictions/{job['id']}",
                "cancel": f"{base}/v1/predictions/{job['id']}/cancel",
                "web": f"https://replicate.com/p/{job['id']}",
            },
        }
        if (deadline := _deadline(job)) is not None:
            told["deadline"] = self._date(vendors, deadline)
        if status in ("processing", "succeeded", "failed", "canceled"):
            told["started_at"] = self._date(vendors, job["starts_at"])
        if status in ("succeeded", "failed") and job["done_at"] is not None:
            took_s = job["done_at"] - job["starts_at"]
            told["completed_at"] = self._date(vendors, job["done_at"])
            told["metrics"] = {"predict_time": took_s, "total_time": job["done_at"] - job["accepted_at"]}
        if status == "succeeded" and not is_removed:
            links = self.links(vendors, job, base, self._kept(vendors, request))
            told["output"] = links if "num_outputs" in FIELDS[request["model"]] else links[0]
        if status == "failed":
            own = account.get("error") or "E1000: something went wrong"
            told["error"] = NSFW if job["ending"] == "moderated" else own
        return told

    def _date(self, vendors: Vendors, moment: float) -> str:
        made_at = datetime.fromtimestamp(vendors.clock.real(moment), UTC)
        return made_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def hook(self, vendors: Vendors, job: Row, base: str) -> dict[str, Any]:
        return self._told(vendors, job, base, vendors.clock.now())

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        return "".join(chance.choices(LETTERS, k=26))

    # -- words -----------------------------------------------------------------------------------

    def taken(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        """At once, or with `Prefer: wait` when it is done, a minute later at most."""
        prefer = re.fullmatch(r"wait(?:=(\d+))?", asked.headers.get("prefer", ""))
        if not prefer:
            return Reply(status=201, body=self._told(vendors, job, asked.base, asked.at))
        at = min(asked.at + int(prefer[1] or 60), 1e18 if job["done_at"] is None else job["done_at"])
        told = self._told(vendors, job, asked.base, at)
        headers = {"Preference-Applied": prefer[0]}
        return Reply(status=201 if told["status"] in OVER else 202, body=told, at=at, headers=headers)

    def refused(self, vendors: Vendors, asked: Asked, refusal: Refusal) -> Reply:
        return self._throttled(vendors, refusal.wait_s)

    def _throttled(self, vendors: Vendors, wait_s: float, *, low: bool = False) -> Reply:
        seconds = max(1, ceil(wait_s / vendors.clock.scale))
        why = "It is reduced while you have less than $5.0 in credit. " if low else ""
        said = f"Request was throttled. {why}Your rate limit resets in ~{seconds}s."
        return _problem(429, said, retry_after=seconds)

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        titles = {401: "Unauthenticated", 402: "Insufficient credit", 422: "Invalid input"}
        return _problem(status, why, **({"title": titles[status]} if status in titles else {}))

    def limit_headers(self, vendors: Vendors, asked: Asked, told: dict[str, Told]) -> dict[str, str]:
        remaining = str(told["requests"].remaining) if "requests" in told else "599"
        return {"ratelimit-remaining": remaining, "ratelimit-reset": "1"}


def _problem(status: int, detail: str, **more: Any) -> Reply:
    return Reply(
        status=status, body={**more, "detail": detail, "status": status}, media_type="application/problem+json"
    )


def _seconds(text: str) -> float:
    """30s, 5m, 1h30m45s, or a bare number; 0 for none."""
    if not text:
        return 0.0
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text)
    seconds = sum(int(part or 0) * by for part, by in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0
    if seconds < 5:
        raise BadBody("Cancel-After must be at least 5 seconds")
    return float(seconds)


def _deadline(job: Row) -> float | None:
    seconds = request_of(job)["end_after_s"]
    return float(job["accepted_at"]) + seconds if seconds else None


def _word(vendors: Vendors, job: Row, at: float) -> str:
    status = vendors.status(job, at)
    if status == "cancelled":
        deadline = _deadline(job)
        is_late = deadline is not None and job["cancelled_at"] > deadline
        return "aborted" if is_late and job["starts_at"] > deadline else "canceled"
    return WORDS.get(status, status)
