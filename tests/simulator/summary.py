"""What GET /books says: bills, and whether the limits were kept."""

from __future__ import annotations

from typing import Any

from .books import Row
from .limits import most_at_once, most_in_a_window
from .vendor import Vendors


def books_of(vendors: Vendors, only: str = "") -> dict[str, Any]:
    with vendors.lock:
        jobs = [
            job for job in vendors.books.rows("SELECT * FROM jobs ORDER BY accepted_at") if only in ("", job["vendor"])
        ]
        requests = vendors.books.rows("SELECT * FROM requests ORDER BY at, id")
        requests = [request for request in requests if only in ("", request["vendor"])]
        names = sorted({row["vendor"] for row in [*jobs, *requests]})
        return {
            "now": vendors.clock.now(),
            "vendors": {name: _vendor(vendors, name, jobs, requests) for name in names},
            "bills": [_bill(vendors, job) for job in jobs],
            "requests": [_request(vendors, request) for request in requests],
        }


def _vendor(vendors: Vendors, name: str, jobs: list[Row], requests: list[Row]) -> dict[str, Any]:
    jobs = [job for job in jobs if job["vendor"] == name]
    requests = [request for request in requests if request["vendor"] == name]
    accepted = [request["at"] for request in requests if request["verdict"] == "accepted"]
    verdicts: dict[str, int] = {}
    for request in requests:
        verdicts[request["verdict"]] = verdicts.get(request["verdict"], 0) + 1
    lives = [
        (job["accepted_at"], job["done_at"] if job["cancelled_at"] is None else job["cancelled_at"]) for job in jobs
    ]
    return {
        "accepted": len(accepted),
        "billed_micro": sum(job["billed_micro"] for job in jobs),
        "verdicts": verdicts,
        "over_limit": verdicts.get("429 window", 0) + verdicts.get("429 concurrency", 0),
        "high_water": most_at_once([life for life in lives if life[0] != life[1]]),
        "windows": [
            {"requests": limit.requests, "per_s": limit.per_s, "most": most_in_a_window(accepted, limit.per_s)}
            for limit in vendors.behaviour.limits(name)
        ],
        "settings": vendors.behaviour.of(name),
    }


def _bill(vendors: Vendors, job: Row) -> dict[str, Any]:
    return {
        "id": job["id"],
        "vendor": job["vendor"],
        "kind": job["kind"],
        "tag": job["tag"],
        "key": job["key"],
        "fingerprint": job["fingerprint"],
        "amount_micro": job["billed_micro"],
        "state": vendors.status(job),
        "fetches": job["fetches"],
        "accepted_at": vendors.clock.real(job["accepted_at"]),
        "done_at": None if job["done_at"] is None else vendors.clock.real(job["done_at"]),
    }


def _request(vendors: Vendors, request: Row) -> dict[str, Any]:
    return {**request, "at": vendors.clock.real(request["at"])}
