"""What GET /books says (bills, requests, whether the limits were kept) and GET /summary (figures of a run)."""

from __future__ import annotations

import json
from typing import Any

from . import bulks, lines
from .books import Row
from .limits import allowed_in, fullest, most_at_once
from .meters import Limit
from .vendor import Vendors


def books_of(vendors: Vendors, only: str = "") -> dict[str, Any]:
    jobs, requests = _rows(vendors, only)
    names = sorted({row["vendor"] for row in [*jobs, *requests]})
    return {
        "now": vendors.clock.now(),
        "failure": vendors.books.fact("failure", ""),  # of the simulator itself, the last one
        "vendors": {name: _vendor(vendors, name, jobs, requests) for name in names},
        "bills": [_bill(vendors, job) for job in jobs],
        "requests": [_request(vendors, request) for request in requests],
    }


def summary_of(vendors: Vendors, vendor: str) -> dict[str, Any]:
    """Figures of everything since the books of this vendor began (or were made `fresh`). Times are real seconds."""
    jobs, requests = _rows(vendors, vendor)
    judged = [request for request in requests if request["counts"]]
    accepted = [request for request in judged if request["verdict"] == "accepted"]
    known = _vendor(vendors, vendor, jobs, requests)
    refusals = {verdict: n for verdict, n in known["verdicts"].items() if verdict.startswith("429 ")}
    return {
        "requests": len(requests),
        "submits": len([request for request in requests if request["method"] == "POST"]),
        "accepted": len(accepted),
        "refusals": refusals,
        "refused": sum(refusals.values()),
        "verdicts": known["verdicts"],
        "billed_micro": known["billed_micro"],
        "windows": known["windows"],
        "high_water": known["high_water"],
        "places_used": _places_used(vendors, vendor, jobs),
        "first_accepted_at": vendors.clock.real(accepted[0]["at"]) if accepted else None,
        "last_accepted_at": vendors.clock.real(accepted[-1]["at"]) if accepted else None,
        "jobs": [_life(vendors, job) for job in jobs],
        "bulks": [_bulk(vendors, row) for row in vendors.books.rows("SELECT * FROM bulks WHERE vendor = ?", vendor)],
        "webhooks": [_webhook(vendors, row) for row in vendors.books.deliveries(vendor)],
    }


def _rows(vendors: Vendors, only: str) -> tuple[list[Row], list[Row]]:
    """Of one vendor, or of all."""
    where, values = ("WHERE vendor = ?", (only,)) if only else ("", ())
    jobs = vendors.books.rows(f"SELECT * FROM jobs {where} ORDER BY accepted_at, rowid", *values)
    return jobs, vendors.books.rows(f"SELECT * FROM requests {where} ORDER BY at, id", *values)


def _vendor(vendors: Vendors, name: str, jobs: list[Row], requests: list[Row]) -> dict[str, Any]:
    jobs = [job for job in jobs if job["vendor"] == name]
    requests = [request for request in requests if request["vendor"] == name]
    accepted = [request for request in requests if request["verdict"] == "accepted"]
    verdicts: dict[str, int] = {}
    for request in requests:
        verdicts[request["verdict"]] = verdicts.get(request["verdict"], 0) + 1
    return {
        "accepted": len(accepted),
        "billed_micro": sum(job["billed_micro"] for job in jobs),
        "verdicts": verdicts,
        "over_limit": sum(count for verdict, count in verdicts.items() if verdict.startswith("429 ")),
        "high_water": most_at_once([life for job in jobs if (life := _span(job))]),
        "windows": [_window(limit, accepted) for limit in vendors.behaviour.limits(name)],
        "settings": vendors.behaviour.of(name),
    }


def _window(limit: Limit, accepted: list[Row]) -> dict[str, Any]:
    """`utilisation`: of what anybody could have had between the first and the last accepted request."""
    moments = [request["at"] for request in accepted]
    amounts = [int(json.loads(request["counts"]).get(limit.unit, 0)) for request in accepted]
    most, allowed = fullest(limit, moments, amounts)
    return {
        "unit": limit.unit,
        limit.unit: limit.most,
        "per_s": limit.per_s,
        "policy": limit.policy,
        "allowed": allowed,
        "most": most,
        "used": sum(amounts),
        "utilisation": sum(amounts) / allowed_in(limit, moments[0], moments[-1]) if moments else 0.0,
    }


def _span(job: Row) -> tuple[float, float | None] | None:
    """While a job held a place; one that waited for a place held none."""
    if job["bulk"]:
        return None
    end = job["done_at"] if job["cancelled_at"] is None else job["cancelled_at"]
    start = job["starts_at"] if job["throttled"] else job["accepted_at"]
    return None if end is not None and end <= start else (start, end)


def _places_used(vendors: Vendors, vendor: str, jobs: list[Row]) -> float | None:
    """The share of all places that was busy from the first job's start to the last one's end."""
    places, now = vendors.behaviour.of(vendor)["concurrency"], vendors.clock.now()
    spans = [(start, now if end is None else min(end, now)) for start, end in filter(None, map(_span, jobs))]
    if not places or not spans:
        return None
    whole = max(end for _, end in spans) - min(start for start, _ in spans)
    return sum(end - start for start, end in spans) / (places * whole) if whole > 0 else None


def _state(vendors: Vendors, job: Row) -> str:
    now = vendors.clock.now()
    bulk = vendors.books.bulk(job["vendor"], job["bulk"]) if job["bulk"] else None
    if bulk and bulks.status(bulk, now) in bulks.ENDED and job["done_at"] > lines.last_moment(bulk):
        return "unanswered"
    return vendors.status(job, now)


def _real(vendors: Vendors, moment: float | None) -> float | None:
    return None if moment is None else vendors.clock.real(moment)


def _life(vendors: Vendors, job: Row) -> dict[str, Any]:
    """`seen_at`: when a client that polled was first told that it is over."""
    times = {name: _real(vendors, job[name]) for name in ("accepted_at", "starts_at", "done_at", "seen_at")}
    state = _state(vendors, job)
    return {"id": job["id"], "tag": job["tag"], "state": state, "polls": job["polls"], **times}


def _bulk(vendors: Vendors, bulk: Row) -> dict[str, Any]:
    times = {name: _real(vendors, bulk[name]) for name in ("accepted_at", "done_at", "expires_at", "seen_at")}
    state = bulks.status(bulk, vendors.clock.now())
    return {"id": bulk["id"], "state": state, "fault": bulk["fault"], "polls": bulk["polls"], **times}


def _webhook(vendors: Vendors, delivery: Row) -> dict[str, Any]:
    """`answer`: the status that the client gave, 0 for none, null while it is not sent."""
    shown = {name: delivery[name] for name in ("job", "message", "event", "fault", "try", "answer")}
    return {**shown, "sent_at": _real(vendors, delivery["sent_at"])}


def _bill(vendors: Vendors, job: Row) -> dict[str, Any]:
    return {
        "id": job["id"],
        "vendor": job["vendor"],
        "kind": job["kind"],
        "tag": job["tag"],
        "key": job["key"],
        "fingerprint": job["fingerprint"],
        "amount_micro": job["billed_micro"],
        "state": _state(vendors, job),
        "fetches": job["fetches"],
        "accepted_at": vendors.clock.real(job["accepted_at"]),
        "done_at": _real(vendors, job["done_at"]),
    }


def _request(vendors: Vendors, request: Row) -> dict[str, Any]:
    return {**request, "at": vendors.clock.real(request["at"])}
