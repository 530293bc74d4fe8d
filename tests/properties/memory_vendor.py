"""Vendors in memory, one a recovery class, with books of their own; a test says what happens to the next call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from providers.base import Adapter
from providers.exceptions import NotSent, OutOfCredit, RateLimited, Rejected, Unknown
from providers.types import Accepted, Capability, Failed, Finished, Output, Recovery, Request, Running

KINDS = frozenset({Capability.SCRIPT, Capability.MODERATION})
PRICE = 1000
# What may happen to a submit: whether it is taken, and what is heard of it.
TAKEN_AND_LOST = ("read_timeout", "500_after", "garbage_after")
NOT_TAKEN = ("reset_before", "503_before")
REFUSED = ("429", "400", "402", "refused_connection")
FAULTS = ("", "", "", *TAKEN_AND_LOST, *NOT_TAKEN, *REFUSED)
FAILED = ("failed", "moderated")  # no job that ends so is billed
LISTINGS = ("complete", "failing", "lagging")


@dataclass(slots=True)
class Job:
    id: str
    vendor: str
    tag: str
    request: Request
    billed_micro: int
    state: str = "running"  # succeeded, failed, moderated
    is_listed: bool = True


@dataclass(slots=True)
class MemoryVendors:
    """All of them, behind one door."""

    now: Callable[[], datetime]
    jobs: dict[str, Job] = field(default_factory=dict)
    fault: str = ""  # of the next submit
    listing: str = "complete"
    by_link: bool = False  # results are links, which must be fetched
    download: str = "ok"

    def take(self, vendor: str, request: Request, *, price: int, keyed: bool) -> Job:
        """One request: a job, or the error that the client sees."""
        fault, self.fault = self.fault, ""
        if fault in ("429", "400", "402", "refused_connection", *NOT_TAKEN):
            raise _error(fault)
        known = next((job for job in self.jobs.values() if keyed and job.tag == request.tag), None)
        job = known or Job(f"job-{len(self.jobs) + 1}", vendor, request.tag, request, price)
        job.is_listed = job.is_listed and self.listing != "lagging"
        self.jobs[job.id] = job
        if fault:
            raise Unknown(f"No clear answer ({fault}).")
        if job.state in FAILED:
            raise Rejected("It could not be made.", moderated=job.state == "moderated", http_status=422)
        return job

    def bill_for(self, job: Job) -> int:
        """What a person is told. Nothing changes after that: what is on a bill is over."""
        if job.state not in FAILED:
            job.state = "succeeded"
        return job.billed_micro

    def books(self) -> dict[str, Any]:
        """As the simulator tells them."""
        bills = [
            {"tag": job.tag, "amount_micro": job.billed_micro, "state": job.state, "vendor": job.vendor, "id": job.id}
            for job in self.jobs.values()
        ]
        names = {"memfree", "membl", "memkey", "memlist"}
        sums = {name: sum(bill["amount_micro"] for bill in bills if bill["vendor"] == name) for name in names}
        return {"bills": bills, "vendors": {name: {"billed_micro": micro} for name, micro in sums.items()}}


def _error(fault: str) -> Exception:
    match fault:
        case "429":
            return RateLimited("Too many requests.", retry_after_s=2.0)
        case "400":
            return Rejected("The vendor does not like it.", http_status=400)
        case "402":
            return OutOfCredit("The account is empty.")
        case "refused_connection":
            return NotSent("It could not be reached.")
    return Unknown(f"No clear answer ({fault}).")


class _Memory(Adapter):
    capabilities = KINDS
    vendors: ClassVar[MemoryVendors]
    name: ClassVar[str]
    price: ClassVar[int] = PRICE
    keyed: ClassVar[bool] = False

    def taken(self, request: Request) -> Job:
        self.on_wire()
        return self.vendors.take(self.name, request, price=self.price, keyed=self.keyed)

    def result(self, job: Job) -> Finished:
        if self.vendors.by_link and job.request.capability is Capability.SCRIPT:
            output = Output(url=f"https://memory/{job.id}", media_type="application/json")
        else:
            output = Output(content=content_of(job.request), media_type="application/json")
        return Finished(outputs=(output,), units={"calls": 1}, external_id=job.id)

    def submit(self, request: Request) -> Accepted | Finished:
        job = self.taken(request)
        job.state = "succeeded"
        return self.result(job)


class MemFree(_Memory):
    slug, label, name, price = "sim_memfree", "Free", "memfree", 0
    recovery = dict.fromkeys(KINDS, Recovery.FREE)


class MemBlind(_Memory):
    slug, label, name = "sim_membl", "Blind", "membl"


class MemKeyed(_Memory):
    slug, label, name, keyed = "sim_memkey", "Keyed", "memkey", True
    recovery = dict.fromkeys(KINDS, Recovery.KEYED)


class MemListable(_Memory):
    slug, label, name = "sim_memlist", "Listable", "memlist"
    recovery = dict.fromkeys(KINDS, Recovery.LISTABLE)

    def submit(self, request: Request) -> Accepted:
        return Accepted(external_id=self.taken(request).id)

    def poll(self, external_id: str) -> Running | Finished | Failed:
        job = self.vendors.jobs[external_id]
        if job.state == "succeeded":
            return self.result(job)
        if job.state in FAILED:
            return Failed(reason=job.state, moderated=job.state == "moderated", billed=False, units={"calls": 1})
        return Running(unknown_status="percolating" if job.state == "odd" else "")

    def find(self, tag: str) -> str | None:
        if self.vendors.listing == "failing":
            raise Unknown("The listing does not answer.")
        return next((job.id for job in self.vendors.jobs.values() if job.tag == tag and job.is_listed), None)

    def cancel(self, external_id: str) -> None:
        job = self.vendors.jobs[external_id]
        if job.state == "running":
            job.state, job.billed_micro = "failed", 0


FOLLOWED = (MemListable.slug,)  # whose jobs have a number
ADAPTERS = (MemFree, MemBlind, MemKeyed, MemListable)


def content_of(request: Request) -> bytes:
    """The same for the same request, tag or no tag."""
    if request.capability is Capability.MODERATION:
        mark = hashlib.sha256(request.prompt.encode()).hexdigest()
        return json.dumps({"id": mark, "flagged": False, "categories": {"violence": 0.0}}).encode()
    words = " ".join(["slowly"] * 9)
    scenes = [
        {"narration": f"{request.prompt} {n} {words}.", "visual_prompt": f"{request.prompt} {n}", "seconds": 4.0}
        for n in (1, 2)
    ]
    said = {"title": request.prompt, "hook": "Why?", "description": request.prompt, "hashtags": ["#a"]}
    return json.dumps({**said, "scenes": scenes}).encode()
