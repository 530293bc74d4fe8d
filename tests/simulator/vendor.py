"""What a vendor answers. Decides under one lock, by the books and the clock; the server waits and makes files."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import Any

from . import media
from .books import Books, Row
from .clock import Clock
from .limits import Refusal, admit
from .settings import BEFORE, JOB, Behaviour

KINDS = {"images": "image", "clips": "clip", "texts": "text", "speech": "speech", "moderations": "moderation"}
ENDINGS = {"fail_job": "failed", "moderated": "moderated"}


@dataclass(slots=True)
class Reply:
    status: int = 200
    body: Any = None  # bytes are sent as they are, the rest as JSON
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    wait_s: float = 0.0  # real seconds before the answer
    lost: bool = False  # the connection closes without an answer
    job: Row | None = None  # whose output the server is to make and put in
    sent_share: float = 1.0  # of the body, while Content-Length promises all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    vendor: str
    method: str
    path: tuple[str, ...]  # behind the vendor
    query: dict[str, str]
    body: dict[str, Any]
    key: str
    base: str  # how the client wrote us, for links


def error(status: int, code: str, **headers: str) -> Reply:
    return Reply(status=status, body={"error": {"code": code, "message": code.replace("_", " ")}}, headers=headers)


class Vendors:
    def __init__(self, books: Books, clock: Clock, behaviour: Behaviour) -> None:
        self.books, self.clock, self.behaviour = books, clock, behaviour
        self.lock = threading.Lock()

    def answer(self, asked: Asked) -> Reply:
        with self.lock:
            match asked.method, asked.path:
                case "POST", ("v1", "jobs"):
                    return self._submit(asked, str(asked.body.get("kind", "")), waits=False)
                case "POST", ("v1", what) if what in KINDS:
                    return self._submit(asked, KINDS[what], waits=True)
                case "GET", ("files", name):
                    return self._file(asked, name)
                case (("GET" | "DELETE"), ("v1", "jobs", *rest)):
                    return self._look(asked, rest)
            return error(404, "no_such_path")

    # -- submits ---------------------------------------------------------------------------------

    def _submit(self, asked: Asked, kind: str, *, waits: bool) -> Reply:
        now, vendor = self.clock.now(), asked.vendor
        entry = self._entry(asked, now)
        if kind not in media.MAKERS:
            self.books.saw(entry, verdict="bad request")
            return error(400, "unknown_kind")
        if asked.key and self.behaviour.of(vendor)["dedupe"] and (job := self.books.job_of_key(vendor, asked.key)):
            return self._again(job, entry, waits=waits)
        if refusal := self._refusal(vendor, now):
            self.books.saw(entry, verdict=refusal.why)
            return error(429, "rate_limited", **{"Retry-After": f"{refusal.wait_s / self.clock.scale + 0.001:.3f}"})
        chance = self.behaviour.chance(vendor)
        fault = self.behaviour.submit_fault(vendor, chance)
        if fault in BEFORE:
            return self._not_taken(entry, fault)
        job = self._new_job(asked, kind, entry, fault, chance)
        if waits and fault in ENDINGS:  # one that answers at once says so at once
            self.books.saw(entry, verdict=f"fault {fault}")
            return error(422, "content_policy" if fault == "moderated" else "could_not_make_it")
        self.books.saw(entry, verdict="accepted", job=job)
        return self._taken(job, fault, waits=waits)

    def _entry(self, asked: Asked, now: float) -> Row:
        said = {name: value for name, value in asked.body.items() if name != "tag"}
        canonical = json.dumps([asked.path, said], sort_keys=True)
        return {
            "at": now,
            "vendor": asked.vendor,
            "method": asked.method,
            "path": "/".join(asked.path),
            "tag": str(asked.body.get("tag", "")),
            "fingerprint": hashlib.sha256(canonical.encode()).hexdigest(),
        }

    def _refusal(self, vendor: str, now: float) -> Refusal | None:
        limits = self.behaviour.limits(vendor)
        longest = max((limit.per_s for limit in limits), default=0.0)
        concurrency = int(self.behaviour.of(vendor)["concurrency"])
        return admit(
            self.books.accepted(vendor, now - longest) if limits else [],
            self.books.ends_of_living(vendor, now) if concurrency else [],
            now=now,
            limits=limits,
            concurrency=concurrency,
        )

    def _not_taken(self, entry: Row, fault: str) -> Reply:
        self.books.saw(entry, verdict=f"fault {fault}")
        if fault == "lose_before_accept":
            return Reply(lost=True)
        return error(BEFORE[fault], fault, **({"Retry-After": "0.2"} if fault == "429" else {}))

    def _new_job(self, asked: Asked, kind: str, entry: Row, fault: str, chance: Any) -> Row:
        settings = self.behaviour.of(asked.vendor)
        starts_at = entry["at"] + chance.uniform(*settings["queue_s"])
        done_at = starts_at + chance.uniform(*settings["latency_s"]) + (settings["slow_s"] if fault == "slow" else 0)
        bills = fault not in ENDINGS or settings["bill_failed"]
        return {
            "id": f"{kind}-{self.books.count_jobs() + 1:06d}-{chance.getrandbits(32):08x}",
            "vendor": asked.vendor,
            "kind": kind,
            "tag": entry["tag"],
            "key": asked.key or None,
            "fingerprint": entry["fingerprint"],
            "request": json.dumps(asked.body),
            "accepted_at": entry["at"],
            "starts_at": starts_at,
            "done_at": None if fault == "stuck" else done_at,
            "ending": ENDINGS.get(fault, "succeeded"),
            "fault": fault if fault in JOB else "",
            "billed_micro": self.behaviour.price_micro(asked.vendor, kind) if bills else 0,
            "cancelled_at": None,
        }

    def _taken(self, job: Row, fault: str, *, waits: bool) -> Reply:
        wait_s = self._left_s(job) if waits else 0.0
        match fault:
            case "lose_after_accept":
                return Reply(lost=True, wait_s=wait_s)
            case "500_after" | "504_after":
                reply = error(int(fault[:3]), "internal")
                reply.wait_s = wait_s
                return reply
            case "garbage_after":
                return Reply(body=b"<html>one moment, please</html>", media_type="text/html", wait_s=wait_s)
            case "no_id":
                return Reply(body={"object": "job"}, wait_s=wait_s)
        return Reply(job=job, wait_s=wait_s) if waits else Reply(status=201, body=self.told(job))

    def _again(self, job: Row, entry: Row, *, waits: bool) -> Reply:
        """The same key: the first job's answer, and no second bill; another request under it is refused."""
        if job["fingerprint"] != entry["fingerprint"]:
            self.books.saw(entry, verdict="key reused")
            return error(422, "key_was_used_for_another_request")
        self.books.saw(entry, verdict="replayed")
        return Reply(job=job, wait_s=self._left_s(job)) if waits else Reply(body=self.told(job))

    def _left_s(self, job: Row) -> float:
        if job["done_at"] is None:
            return 3600.0
        return max(0.0, self.clock.real(job["done_at"]) - self.clock.real(self.clock.now()))

    # -- looking ---------------------------------------------------------------------------------

    def _look(self, asked: Asked, rest: list[str]) -> Reply:
        fault = self.behaviour.get_fault(asked.vendor)
        self.books.saw(self._entry(asked, self.clock.now()), verdict=f"fault {fault}" if fault else "looked")
        if fault == "lose":
            return Reply(lost=True)
        if fault == "garbage":
            return Reply(body=b"<html>", media_type="text/html")
        if fault:
            return error(int(fault), fault, **({"Retry-After": "0.2"} if fault == "429" else {}))
        if not rest:
            return Reply(body={"jobs": [self.told(job) for job in self._listed(asked)]})
        job = self.books.job(asked.vendor, rest[0])
        if job is None:
            return error(404, "no_such_job")
        if asked.method == "DELETE":
            return self._cancel(job)
        told = self.told(job)
        return Reply(body=told, job=job if told["status"] == "succeeded" else None)

    def _listed(self, asked: Asked) -> list[Row]:
        """By tag, and by when they were accepted (real seconds, both ends included); the oldest first."""
        query, lag = asked.query, float(self.behaviour.of(asked.vendor)["list_lag_s"])
        oldest = self.clock.virtual(float(query["created_after"])) if "created_after" in query else -1e18
        newest = self.clock.virtual(float(query["created_before"])) if "created_before" in query else 1e18
        sql = "SELECT * FROM jobs WHERE vendor = ? AND accepted_at BETWEEN ? AND ?"
        values = [asked.vendor, oldest, min(newest, self.clock.now() - lag)]
        if "tag" in query:
            sql, values = sql + " AND tag = ?", [*values, query["tag"]]
        return self.books.rows(sql + " ORDER BY accepted_at LIMIT 1000", *values)

    def _cancel(self, job: Row) -> Reply:
        if self.status(job) not in ("queued", "running", "percolating"):
            return error(409, "already_over")
        self.books.cancel(job["id"], self.clock.now())
        return Reply(body=self.told({**job, "cancelled_at": self.clock.now()}))

    def status(self, job: Row) -> str:
        now = self.clock.now()
        if job["cancelled_at"] is not None:
            return "cancelled"
        if now < job["starts_at"]:
            return "queued"
        if job["done_at"] is None or now < job["done_at"]:
            return "percolating" if job["fault"] == "unknown_status" else "running"
        return "failed" if job["ending"] == "moderated" else str(job["ending"])

    def told(self, job: Row) -> dict[str, Any]:
        """What the client may know of a job; the output is put in by the server."""
        status = self.status(job)
        said = {
            "id": job["id"],
            "status": status,
            "tag": job["tag"],
            "created_at": self.clock.real(job["accepted_at"]),
            "units": media.units(job["kind"], json.loads(job["request"])),
        }
        if status == "failed":
            moderated = job["ending"] == "moderated"
            code = "SAFETY" if moderated else "INTERNAL"
            said["error"] = {"code": code, "message": "declined by policy" if moderated else "could not make it"}
            said["billed"] = job["billed_micro"] > 0
        return said

    # -- files -----------------------------------------------------------------------------------

    def _file(self, asked: Asked, name: str) -> Reply:
        job = self.books.job(asked.vendor, name.rpartition(".")[0])
        if job is None or self.status(job) != "succeeded":
            return error(404, "no_such_file")
        first = self.books.fetched(job["id"]) == 0
        if job["fault"] == "expired_file" and first:
            return error(403, "link_expired")
        reply = Reply(job=job, media_type=media.TYPES[job["kind"]][0])
        if job["fault"] == "cut_file" and first:
            reply.sent_share = 0.5
        return reply
