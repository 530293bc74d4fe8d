"""A gateway to Midjourney that speaks the dialect of midjourney-proxy: HTTP 200 for nearly everything, grids of four.

`account`: queue (tasks that wait beside those that run), banned (words that are refused at once), fail_reason (what a
failed task says), dialect ("novicezk": the grid alone; "trueai": four pictures too, and of tasks it lists the latest
hundred), amnesia (it was started anew and knows no task).
"""

from __future__ import annotations

import hashlib
import random
import re
from math import sqrt
from typing import TYPE_CHECKING, Any

from ..books import Row
from ..limits import Refusal
from ..manner import request_of
from ..replies import Asked, Reply
from .base import BadBody, Protocol

if TYPE_CHECKING:
    from ..vendor import Vendors

PRICE_MICRO = 50_000
FIELDS = {"prompt", "base64", "base64Array", "state", "notifyHook", "botType", "accountFilter"}
WORDS = {"queued": "SUBMITTED", "throttled": "NOT_START", "running": "IN_PROGRESS", "succeeded": "SUCCESS"}
TIMEOUT_S = 300.0
DECLINED = "[Banned prompt detected] The prompt contains a banned word."


class Midjourney(Protocol):
    slug = "midjourney"
    settings = {
        "concurrency": 3,
        "over_concurrency": "throttle",
        "latency_s": [30, 100],
        "queue_s": [0.5, 2.0],
        "link_life_s": 86_400.0,
        "page_size": 100_000,
        "hook_events": "all",
        "hook_tries": 1,
        "account": {"queue": 10, "banned": ["gore"], "fail_reason": "", "dialect": "novicezk", "amnesia": False},
    }

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        secret = asked.headers.get("mj-api-secret") or asked.headers.get("authorization", "")
        if not secret or "bad" in secret:
            vendors.books.saw(vendors.entry(asked), verdict="bad request")
            return Reply(status=401, body=b"")
        match asked.method, asked.path:
            case "POST", ("mj", "submit", "imagine"):
                return self._imagine(vendors, asked)
            case "GET", ("mj", "task", name, "fetch"):
                jobs = self._known(vendors, asked, name)
                return jobs if isinstance(jobs, Reply) else Reply(body=jobs[0]) if jobs else Reply(body=b"")
            case "POST", ("mj", "task", "list-by-condition"):
                jobs = self._known(vendors, asked, *self.said(asked).get("ids", []))
                return jobs if isinstance(jobs, Reply) else Reply(body=jobs)
            case "GET", ("mj", "task", "list"):
                found = self.page(vendors, asked)
                if isinstance(found, Reply):
                    return found
                told = [self._told(vendors, asked, job) for job in found[0]] if self._remembers(vendors) else []
                return Reply(body=told[::-1][:100] if self._is_trueai(vendors) else told)
        return self.refuse(vendors, asked, 404, "no such path")

    def _imagine(self, vendors: Vendors, asked: Asked) -> Reply:
        settings = vendors.behaviour.of(self.slug)
        account = settings["account"]
        try:
            order = self._order(vendors, self.said(asked))
        except BadBody as trouble:
            vendors.books.saw(vendors.entry(asked), verdict="bad request")
            return _said(4, str(trouble))
        if word := next((word for word in account.get("banned", ()) if word in order["prompt"].lower().split()), ""):
            vendors.books.saw(vendors.entry(asked), verdict="banned word")
            return _said(24, "可能包含敏感词", properties={"promptEn": order["prompt"], "bannedWord": word})
        if len(vendors.books.living(self.slug, asked.at)) >= settings["concurrency"] + account.get("queue", 10):
            vendors.books.saw(vendors.entry(asked), verdict="429 concurrency")
            return _said(23, "队列已满，请稍后尝试", properties={"discordInstanceId": "1118"})
        return self.take(vendors, asked, "image", order)

    def _order(self, vendors: Vendors, said: dict[str, Any]) -> dict[str, Any]:
        if unknown := set(said) - FIELDS:
            raise BadBody(f"unknown: {', '.join(sorted(unknown))}")
        prompt = said.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise BadBody("prompt不能为空")
        width, height = _size(prompt)
        is_grid = not self._is_trueai(vendors)
        return {
            "prompt": prompt,
            "model": "imagine",
            "width": width * 2 if is_grid else width,
            "height": height * 2 if is_grid else height,
            "grid": is_grid,
            "tag": said.get("state", ""),
            **({"callback_url": said["notifyHook"]} if said.get("notifyHook") else {}),
        }

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        """A grid costs the same, however it is given; one of --repeat as many as it asks for."""
        asked = re.search(r"--(?:repeat|r) (\d+)", body["prompt"])
        return PRICE_MICRO * (int(asked[1]) if asked else 1)

    def _known(self, vendors: Vendors, asked: Asked, *names: str) -> Reply | list[dict[str, Any]]:
        jobs = self.see(vendors, asked, *names)
        if isinstance(jobs, Reply):
            return jobs
        return [self._told(vendors, asked, job) for job in jobs] if self._remembers(vendors) else []

    def _remembers(self, vendors: Vendors) -> bool:
        return not vendors.behaviour.of(self.slug)["account"].get("amnesia")

    def _is_trueai(self, vendors: Vendors) -> bool:
        return vendors.behaviour.of(self.slug)["account"].get("dialect") == "trueai"

    # -- telling ---------------------------------------------------------------------------------

    def _told(self, vendors: Vendors, asked: Asked, job: Row) -> dict[str, Any]:
        """One that runs for too long is given up by the gateway."""
        if job["cancelled_at"] is None and job["done_at"] is None and asked.at > job["starts_at"] + TIMEOUT_S:
            self.end(vendors, asked, job)
        return self._task(vendors, job, asked.base, asked.at)

    def _task(self, vendors: Vendors, job: Row, base: str, at: float) -> dict[str, Any]:
        request, status = request_of(job), vendors.status(job, at)
        told: dict[str, Any] = {
            "id": job["id"],
            "action": "IMAGINE",
            "status": WORDS.get(status, "FAILURE" if status in ("failed", "cancelled") else status.upper()),
            "prompt": request["prompt"],
            "promptEn": request["prompt"],
            "description": f"/imagine {request['prompt']}",
            "state": job["tag"],
            "submitTime": self.real_ms(vendors, job["accepted_at"]),
            "startTime": self.real_ms(vendors, job["starts_at"]) if at >= job["starts_at"] else None,
            "finishTime": None,
            "progress": "0%",
            "imageUrl": None,
            "failReason": None,
            "properties": {"finalPrompt": request["prompt"], "discordInstanceId": "1118361111111111111"},
        }
        if status == "running" and job["done_at"] is not None:
            share = (at - job["starts_at"]) / (job["done_at"] - job["starts_at"])
            told["progress"] = f"{int(share * 100)}%"
        if status == "succeeded":
            links = [self._signed(link) for link in self.links(vendors, job, base, 4 if not request["grid"] else 1)]
            told |= {"progress": "100%", "finishTime": self.real_ms(vendors, job["done_at"]), "imageUrl": links[0]}
            if not request["grid"]:
                told["imageUrls"] = [{"url": link, "thumbnail": link} for link in links]
        if status in ("failed", "cancelled"):
            own = vendors.behaviour.of(self.slug)["account"].get("fail_reason") or "[Internal error] It failed."
            own = "任务超时" if status == "cancelled" else own
            told |= {"progress": "", "failReason": DECLINED if job["ending"] == "moderated" else own}
        return told

    def _signed(self, link: str) -> str:
        """As links of Discord are: when they end, when they were made, and a proof."""
        until = int(float(link.rpartition("until=")[2]))
        proof = hashlib.sha256(link.encode()).hexdigest()
        return f"{link}&ex={until:x}&is={until - 86_400:x}&hm={proof}&"

    def hook(self, vendors: Vendors, job: Row, base: str) -> dict[str, Any]:
        return self._task(vendors, job, base, vendors.clock.now())

    def signs(self, message: str, body: str, secret: str, at: float) -> dict[str, str]:
        return {}

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        return f"{1_763_632_800_000 + number}{chance.randrange(1000):03d}"

    # -- words -----------------------------------------------------------------------------------

    def taken(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        properties: dict[str, Any] = {"discordInstanceId": "1118361111111111111"}
        if job["throttled"]:
            waiting = len(vendors.books.living(self.slug, asked.at)) - vendors.behaviour.of(self.slug)["concurrency"]
            properties["numberOfQueues"] = max(0, waiting - 1)
            return _said(22, "排队中，前面还有任务", result=job["id"], properties=properties)
        return _said(1, "提交成功", result=job["id"], properties=properties)

    def refused(self, vendors: Vendors, asked: Asked, refusal: Refusal) -> Reply:
        return self.failed(asked, 429, "too many requests")

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        return Reply(status=status, body={"code": 9, "description": why})


def _said(code: int, description: str, **more: Any) -> Reply:
    return Reply(body={"code": code, "description": description, "result": None, "properties": {}, **more})


def _size(prompt: str) -> tuple[int, int]:
    """About a megapixel; parameters are only known behind a blank."""
    found = re.search(r" --ar (\d+):(\d+)", prompt)
    ratio = int(found[1]) / int(found[2]) if found else 1.0
    return round(1024 * sqrt(ratio) / 16) * 16, round(1024 / sqrt(ratio) / 16) * 16
