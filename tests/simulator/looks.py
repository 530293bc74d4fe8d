"""Looking at jobs: one, several by their ids, or a list by tag and time. Also: cancelling one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import submits
from .books import Row
from .replies import Asked, Reply, error

if TYPE_CHECKING:
    from .vendor import Vendors

LIVING = ("queued", "throttled", "running", "percolating")


def look(vendors: Vendors, asked: Asked, job_id: str) -> Reply:
    if failed := _failed(vendors, asked):
        return failed
    job = vendors.books.job(asked.vendor, job_id)
    _remember(vendors, asked, [job] if job else [])
    if job is None:
        return error(404, "no_such_job")
    told = vendors.told(job, asked.at)
    return Reply(body=told, outputs=_finished([job], [told]))


def listing(vendors: Vendors, asked: Asked) -> Reply:
    if failed := _failed(vendors, asked):
        return failed
    by_id = "ids" in asked.query
    jobs = _of_ids(vendors, asked) if by_id else _listed(vendors, asked)
    _remember(vendors, asked, jobs if by_id else [])
    told = [vendors.told(job, asked.at) for job in jobs]
    return Reply(body={"jobs": told}, outputs=_finished(jobs, told) if by_id else [])


def _finished(jobs: list[Row], told: list[dict[str, Any]]) -> list[tuple[dict[str, Any], Row]]:
    return [(said, job) for said, job in zip(told, jobs, strict=True) if said["status"] == "succeeded"]


def cancel(vendors: Vendors, asked: Asked, job_id: str) -> Reply:
    if failed := _failed(vendors, asked):
        return failed
    _remember(vendors, asked, [])
    job = vendors.books.job(asked.vendor, job_id)
    if job is None:
        return error(404, "no_such_job")
    if vendors.status(job, asked.at) not in LIVING:
        return error(409, "already_over")
    vendors.books.cancel(job["id"], asked.at)
    job["cancelled_at"] = asked.at
    vendors.moved(job)
    submits.close_ranks(vendors, asked.vendor, asked.at)
    return Reply(body=vendors.told(job, asked.at))


def _failed(vendors: Vendors, asked: Asked) -> Reply | None:
    fault = vendors.behaviour.get_fault(asked.vendor)
    if not fault:
        return None
    vendors.books.saw(vendors.entry(asked), verdict=f"fault {fault}")
    if fault == "lose":
        return Reply(lost=True)
    if fault == "garbage":
        return Reply(body=b"<html>", media_type="text/html")
    return error(int(fault), fault, **({"Retry-After": "0.2"} if fault == "429" else {}))


def _remember(vendors: Vendors, asked: Asked, jobs: list[Row]) -> None:
    """Counts a poll of each, and notes when a client first saw that it was over."""
    polled = [(job["id"], None if vendors.status(job, asked.at) in LIVING else asked.at) for job in jobs]
    vendors.books.saw(vendors.entry(asked), verdict="looked", polled=polled)


def _of_ids(vendors: Vendors, asked: Asked) -> list[Row]:
    """In the order asked for, at most 100; those that nobody knows are left out."""
    found = [vendors.books.job(asked.vendor, job_id) for job_id in asked.query["ids"].split(",")[:100]]
    return [job for job in found if job]


def _listed(vendors: Vendors, asked: Asked) -> list[Row]:
    """By tag, and by when they were accepted (real seconds, both ends included); the oldest first."""
    query, clock = asked.query, vendors.clock
    oldest = clock.virtual(float(query["created_after"])) if "created_after" in query else -1e18
    newest = clock.virtual(float(query["created_before"])) if "created_before" in query else 1e18
    lag_s = float(vendors.behaviour.of(asked.vendor)["list_lag_s"])
    sql = "SELECT * FROM jobs WHERE vendor = ? AND accepted_at BETWEEN ? AND ?"
    values: list[Any] = [asked.vendor, oldest, min(newest, asked.at - lag_s)]
    if "tag" in query:
        sql, values = sql + " AND tag = ?", [*values, query["tag"]]
    return vendors.books.rows(sql + " ORDER BY accepted_at LIMIT 1000", *values)
