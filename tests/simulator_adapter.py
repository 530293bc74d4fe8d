"""Adapters for the simulator, one a recovery class. They translate as an adapter of a real vendor does."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from providers import registry, webhook_signatures
from providers.base import Adapter, LineOutcome
from providers.exceptions import NotSent, Unknown
from providers.types import (
    Accepted,
    Bulk,
    BulkState,
    Capability,
    Failed,
    Finished,
    JobState,
    Output,
    Recovery,
    RemoteJob,
    Request,
    Running,
    WebhookSaid,
)

URL_VARIABLE = "VIDBATCH_TEST_SIMULATOR"  # for the processes that a test starts
EVERYTHING = frozenset(Capability) - {Capability.RENDER}
KIND = {
    Capability.SCRIPT: "text",
    Capability.IMAGE: "image",
    Capability.CLIP: "clip",
    Capability.VOICEOVER: "speech",
    Capability.MODERATION: "moderation",
}
PATH = {"text": "texts", "image": "images", "clip": "clips", "speech": "speech", "moderation": "moderations"}


class _Simulated(Adapter):
    capabilities = EVERYTHING
    vendor: ClassVar[str]

    def body(self, request: Request) -> dict[str, Any]:
        return {
            "kind": KIND[request.capability],
            "model": request.offer,
            "prompt": request.prompt,
            "inputs": [{"sha256": file.sha256, "role": file.role} for file in request.inputs],
            "width": request.width,
            "height": request.height,
            "seconds": request.seconds,
            "voice": request.voice,
            "language": request.language,
            "seed": request.seed,
            "tag": request.tag,
            **request.extra,
        }

    def finished(self, job: dict[str, Any]) -> Finished:
        try:
            outputs = tuple(_output(given) for given in job["output"])
            return Finished(outputs=outputs, units=job["units"], external_id=job["id"])
        except (KeyError, TypeError) as error:
            raise Unknown(f"{self.label} answered without a result.", detail=json.dumps(job)) from error


def _output(given: dict[str, str]) -> Output:
    media_type = given["media_type"]
    if "url" in given:
        return Output(url=given["url"], media_type=media_type)
    content = given["text"].encode() if "text" in given else base64.b64decode(given["base64"])
    return Output(content=content, media_type=media_type)


def _fingerprint(prompt: str = "", seed: int = 0, model: str = "") -> str:
    return json.dumps([prompt, seed, model])


class SimInstant(_Simulated):
    """Answers at once; nobody can know what became of a lost answer."""

    slug = "sim_instant"
    label = "Simulator, at once"
    vendor = "instant"

    def submit(self, request: Request) -> Finished:
        body = self.body(request)
        seconds = self.deadline_of(request.capability)
        path = f"/v1/{PATH[body['kind']]}"
        return self.finished(
            self.call("POST", path, json=body, paid=True, timeout_s=seconds, headers=self.extra_headers(request))
        )

    def extra_headers(self, request: Request) -> dict[str, str]:
        return {}


class SimKeyed(SimInstant):
    """As above, but the same key is the same job."""

    slug = "sim_keyed"
    label = "Simulator, with keys"
    vendor = "keyed"
    recovery = dict.fromkeys(EVERYTHING, Recovery.KEYED)

    def extra_headers(self, request: Request) -> dict[str, str]:
        return {"Idempotency-Key": request.tag}


class SimJobs(_Simulated):
    """Submit and poll; jobs are found by tag."""

    slug = "sim_jobs"
    label = "Simulator, with jobs"
    vendor = "jobs"
    recovery = dict.fromkeys(EVERYTHING, Recovery.LISTABLE)

    can_list = 100

    RUNNING = frozenset({"queued", "throttled", "running"})
    ENDED_BADLY = frozenset({"failed", "cancelled"})

    def submit(self, request: Request) -> Accepted:
        job = self.call("POST", "/v1/jobs", json=self.body(request), paid=True)
        if not job.get("id"):
            raise Unknown(f"{self.label} took the job but gave no number for it.", detail=json.dumps(job))
        return Accepted(external_id=job["id"])

    def poll(self, external_id: str) -> Running | Finished | Failed:
        return self.said(self.call("GET", f"/v1/jobs/{external_id}"))

    def poll_many(self, external_ids: Sequence[str]) -> dict[str, Running | Finished | Failed]:
        jobs = self.call("GET", "/v1/jobs", params={"ids": ",".join(external_ids)})["jobs"]
        return {job["id"]: self.said(job) for job in jobs}

    def said(self, job: dict[str, Any]) -> Running | Finished | Failed:
        status = job.get("status", "")
        if status == "succeeded":
            return self.finished(job)
        if status in self.ENDED_BADLY:
            error = job.get("error", {})
            return Failed(
                reason=error.get("message", status),
                moderated=error.get("code") == "SAFETY",
                billed=bool(job.get("billed")),
                units=job["units"],
            )
        return Running(unknown_status="" if status in self.RUNNING else status)

    def find(self, tag: str) -> str | None:
        jobs = self.call("GET", "/v1/jobs", params={"tag": tag})["jobs"]
        return str(jobs[0]["id"]) if jobs else None

    def list_jobs(self, since: datetime, until: datetime) -> list[RemoteJob]:
        found: list[RemoteJob] = []
        asked: dict[str, Any] = {"created_after": since.timestamp(), "created_before": until.timestamp()}
        while True:  # page by page
            page = self.call("GET", "/v1/jobs", params=asked)
            found += [self.listed(job) for job in page["jobs"]]
            if not page.get("next"):
                return found
            asked["after"] = page["next"]

    def listed(self, job: dict[str, Any]) -> RemoteJob:
        ended = {"succeeded": JobState.FINISHED, **dict.fromkeys(self.ENDED_BADLY, JobState.FAILED)}
        return RemoteJob(
            external_id=job["id"],
            created_at=datetime.fromtimestamp(job["created_at"], UTC),
            state=ended.get(job["status"], JobState.RUNNING),
            tag=job["tag"],
            fingerprint=_fingerprint(**job["input"]),
            units=job["units"],
            billed=job["status"] == "succeeded" or bool(job.get("billed")),
            capability=next(capability for capability, kind in KIND.items() if kind == job["kind"]),
        )

    @classmethod
    def fingerprint_of(cls, request: Request) -> str:
        return _fingerprint(prompt=request.prompt, seed=request.seed, model=request.offer)

    def cancel(self, external_id: str) -> None:
        self.call("DELETE", f"/v1/jobs/{external_id}")


class SimHooks(SimJobs):
    """As jobs are submitted and polled, and it calls back when one is over."""

    slug = "sim_hooks"
    label = "Simulator, with webhooks"
    vendor = "hooks"
    calls_back = True
    webhook_secret_env = "SIM_HOOKS_SECRET"

    def body(self, request: Request) -> dict[str, Any]:
        return {**super().body(request), **({"callback_url": request.callback_url} if request.callback_url else {})}

    @classmethod
    def read_webhook(cls, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> WebhookSaid:
        webhook_id = webhook_signatures.standard(headers, body, secrets, now)
        job = json.loads(body)
        over = job["status"] not in cls.RUNNING
        return WebhookSaid(webhook_id=webhook_id, external_id=str(job["id"]) if over else None)


class SimBulk(SimInstant):
    """Answers at once, and in bulk for half."""

    slug = "sim_bulk"
    label = "Simulator, in bulk"
    vendor = "bulk"
    bulk_capabilities = EVERYTHING
    bulk_lines = 50_000

    STATES: ClassVar = {
        "failed": BulkState.FAILED,
        **dict.fromkeys(("completed", "expired", "cancelled"), BulkState.OVER),
        **dict.fromkeys(("validating", "in_progress", "finalizing", "cancelling"), BulkState.RUNNING),
    }

    def bulk_write(self, requests: Sequence[Request]) -> bytes:
        return b"".join(json.dumps(self.line(request)).encode() + b"\n" for request in requests)

    def line(self, request: Request) -> dict[str, Any]:
        url = f"/v1/{PATH[KIND[request.capability]]}"
        return {"custom_id": request.tag, "method": "POST", "url": url, "body": self.body(request)}

    def bulk_upload(self, content: bytes, tag: str) -> str:
        return str(self.call("POST", "/v1/files", data=content)["id"])

    def bulk_create(self, file_id: str, capability: Capability, tag: str) -> Bulk:
        order = {"input_file_id": file_id, "metadata": {"tag": tag}}
        return self.told_bulk(self.call("POST", "/v1/bulks", json=order, paid=True))

    def bulk_poll(self, external_id: str) -> Bulk:
        return self.told_bulk(self.call("GET", f"/v1/bulks/{external_id}"))

    def bulk_find(self, tag: str, since: datetime) -> Bulk | None:
        asked: dict[str, Any] = {}
        while True:
            page = self.call("GET", "/v1/bulks", params=asked)
            found = [bulk for bulk in map(self.told_bulk, page["bulks"]) if bulk.tag == tag]
            if found or not page["next"]:
                return found[0] if found else None
            asked = {"after": page["next"]}

    def bulk_cancel(self, external_id: str) -> Bulk:
        return self.told_bulk(self.call("POST", f"/v1/bulks/{external_id}/cancel"))

    def bulk_read(self, bulk: Bulk, requests: Mapping[str, Request]) -> Iterator[tuple[str, LineOutcome]]:
        left = set(requests)
        for file_id in bulk.files:
            for text in self.send("GET", f"/v1/files/{file_id}/content").content.splitlines():
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if line["custom_id"] in left:
                    left.remove(line["custom_id"])
                    yield line["custom_id"], self.outcome(line)
        for tag in sorted(left):
            yield tag, Unknown("No line speaks of it.")

    def outcome(self, line: dict[str, Any]) -> LineOutcome:
        if not line["response"]:
            return NotSent(f"{self.label} did not work on it.", detail=line["error"]["code"])
        job = line["response"]["body"]
        if line["response"]["status_code"] == 200:
            return self.finished(job)
        error, billed = job.get("error", {}), bool(job.get("billed"))
        return Failed(
            reason=error.get("message", ""), moderated=error.get("code") == "SAFETY", billed=billed, units=job["units"]
        )

    def told_bulk(self, said: dict[str, Any]) -> Bulk:
        word, counts = said["status"], said["request_counts"]
        problems = [error["code"] for error in said.get("errors", ())]
        return Bulk(
            external_id=said["id"],
            state=self.STATES.get(word, BulkState.RUNNING),
            tag=said["metadata"].get("tag", ""),
            word=word,
            unknown_status="" if word in self.STATES else word,
            created_at=datetime.fromtimestamp(said["created_at"], UTC),
            files=tuple(said[name] for name in ("output_file_id", "error_file_id") if said[name]),
            done=counts["completed"] + counts["failed"],
            problem=", ".join(problems),
            queue_full="token_limit_exceeded" in problems,
        )


def register_all(url: str = "") -> None:
    """Makes all known to this process, talking to the simulator at `url` (or the one in the environment)."""
    url = url or os.environ[URL_VARIABLE]
    for adapter in (SimInstant, SimKeyed, SimJobs, SimHooks, SimBulk):
        adapter.base_url = f"{url}/{adapter.vendor}"
        registry.register(adapter)
