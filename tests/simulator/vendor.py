"""What a vendor answers. Decides in one thread, by the books and the clock; the server waits and makes files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from . import bulks, files, looks, protocols, submits, uploads
from .books import Books, Row
from .clock import Clock
from .limits import Gate
from .replies import Asked, Reply, error
from .settings import Behaviour

KINDS = {"images": "image", "clips": "clip", "texts": "text", "speech": "speech", "moderations": "moderation"}


def _nobody(job: Row) -> None:
    return None


class Vendors:
    def __init__(self, books: Books, clock: Clock, behaviour: Behaviour) -> None:
        self.books, self.clock, self.behaviour = books, clock, behaviour
        self.moved: Callable[[Row], None] = _nobody  # told of every job with webhooks whose times are new
        self._gates: dict[str, Gate] = {}

    def answer(self, asked: Asked) -> Reply:
        if asked.vendor in protocols.ALL:
            if asked.method == "GET" and asked.path[:1] == ("files",):
                return files.fetch(self, asked, asked.path[-1])
            return protocols.ALL[asked.vendor].answer(self, asked)
        match asked.method, asked.path:
            case "POST", ("v1", "jobs"):
                return submits.submit(self, asked, str(asked.body.get("kind", "")), waits=False)
            case "POST", ("v1", what) if what in KINDS:
                return submits.submit(self, asked, KINDS[what], waits=True)
            case "GET", ("files", name):
                return files.fetch(self, asked, name)
            case "GET", ("v1", "jobs"):
                return looks.listing(self, asked)
            case "GET", ("v1", "jobs", job_id):
                return looks.look(self, asked, job_id)
            case "DELETE", ("v1", "jobs", job_id):
                return looks.cancel(self, asked, job_id)
        if asked.path[1:2] in (("files",), ("bulks",)):
            return self._of_bulks(asked)
        return error(404, "no_such_path")

    def _of_bulks(self, asked: Asked) -> Reply:
        fault = self.behaviour.get_fault(asked.vendor) if asked.method == "GET" else ""
        if trouble := looks.failed(self, asked, fault):
            return trouble
        match asked.method, asked.path[1:]:
            case "POST", ("files",):
                return uploads.upload(self, asked)
            case "GET", ("files",):
                return uploads.listing(self, asked)
            case "DELETE", ("files", file_id):
                return uploads.delete(self, asked, file_id)
            case "GET", ("files", file_id, "content"):
                return uploads.content(self, asked, file_id)
            case "POST", ("bulks",):
                return bulks.create(self, asked)
            case "GET", ("bulks",):
                return bulks.listing(self, asked, fault)
            case "GET", ("bulks", bulk_id):
                return bulks.look(self, asked, bulk_id)
            case "POST", ("bulks", bulk_id, "cancel"):
                return bulks.cancel(self, asked, bulk_id)
        return error(404, "no_such_path")

    def control(self, vendor: str, order: dict[str, Any]) -> dict[str, Any]:
        self.behaviour.change(vendor, order)
        if order.get("fresh"):
            self.books.forget(vendor)
        self._gates.pop(vendor, None)  # the next request remembers by the books
        self.books.keep_fact("settings", self.behaviour.kept)
        return self.behaviour.of(vendor)

    def gate(self, vendor: str, now: float) -> Gate:
        if vendor not in self._gates:
            settings = self.behaviour.of(vendor)
            gate = Gate(
                self.behaviour.limits(vendor),
                refused_count=settings["refused_count"],
                lockout_s=settings["lockout_s"],
            )
            for row in self.books.judged(vendor, now - gate.memory_s):
                counts = json.loads(row["counts"])
                gate.note(counts, now=row["at"], refused="" if row["verdict"] == "accepted" else row["verdict"])
                if settings["tokens_counted"] == "settled" and row["done_at"] is not None:
                    submits.settle_tokens(gate, counts, json.loads(row["units"]), row["at"], row["done_at"])
            self._gates[vendor] = gate
        return self._gates[vendor]

    def entry(self, asked: Asked) -> Row:
        """The line of a request in the books."""
        said = {name: value for name, value in asked.body.items() if name not in ("tag", "callback_url")}
        canonical = json.dumps([asked.path, said], sort_keys=True)
        return {
            "at": asked.at,
            "vendor": asked.vendor,
            "method": asked.method,
            "path": "/".join(asked.path),
            "tag": str(asked.body.get("tag", "")),
            "fingerprint": hashlib.sha256(canonical.encode()).hexdigest(),
        }

    def status(self, job: Row, now: float) -> str:
        if job["cancelled_at"] is not None:
            return "cancelled"
        if now < job["starts_at"]:
            return str(self.behaviour.of(job["vendor"])["waiting_word"]) if job["throttled"] else "queued"
        if job["done_at"] is None or now < job["done_at"]:
            return "percolating" if job["fault"] == "unknown_status" else "running"
        if job["fault"] == "unknown_end":
            return "distilled"
        return "failed" if job["ending"] == "moderated" else str(job["ending"])

    def told(self, job: Row, now: float) -> dict[str, Any]:
        """What the client may know of a job; the output is put in by the server."""
        status, request = self.status(job, now), json.loads(job["request"])
        said = {
            "id": job["id"],
            "status": status,
            "kind": job["kind"],
            "tag": job["tag"] if self.behaviour.of(job["vendor"])["keeps_tags"] else "",
            "input": {name: request[name] for name in ("prompt", "seed", "model") if name in request},
            "created_at": self.clock.real(job["accepted_at"]),
            "units": json.loads(job["units"]),
        }
        if status == "failed":
            moderated = job["ending"] == "moderated"
            code = "SAFETY" if moderated else "INTERNAL"
            said["error"] = {"code": code, "message": "declined by policy" if moderated else "could not make it"}
            said["billed"] = job["billed_micro"] > 0
        return said
