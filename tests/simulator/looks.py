"""Looking at jobs: one, several by their ids, or a list by tag and time. Also: cancelling one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import submits
from .books import Row
from .manner import GENERIC, Manner
from .replies import Asked, Reply, error, no_answer

if TYPE_CHECKING:
    from .vendor import Vendors

OVER = ("succeeded", "failed", "cancelled", "distilled")


def look(vendors: Vendors, asked: Asked, job_id: str) -> Reply:
    if trouble := failed(vendors, asked, vendors.behaviour.get_fault(asked.vendor)):
        return trouble
    job = vendors.books.job(asked.vendor, job_id)
    _remember(vendors, asked, [job] if job else [])
    if job is None:
        return error(404, "no_such_job")
    told = vendors.told(job, asked.at)
    return Reply(body=told, outputs=_finished([job], [told]))


def listing(vendors: Vendors, asked: Asked) -> Reply:
    """Several by their ids, with their output, which counts as a poll of each; or pages of what is found."""
    fault = vendors.behaviour.get_fault(asked.vendor)
    if trouble := failed(vendors, asked, fault):
        return trouble
    if by_id := "ids" in asked.query:
        jobs, cursor = _of_ids(vendors, asked), None
    else:
        jobs, cursor = _page(vendors, asked)
    if fault == "list_miss":
        jobs = jobs[:-1]
    _remember(vendors, asked, jobs if by_id else [])
    told = [vendors.told(job, asked.at) for job in jobs]
    return Reply(body={"jobs": told, "next": cursor}, outputs=_finished(jobs, told) if by_id else [])


def _finished(jobs: list[Row], told: list[dict[str, Any]]) -> list[tuple[dict[str, Any], Row]]:
    return [(said, job) for said, job in zip(told, jobs, strict=True) if said["status"] == "succeeded"]


def cancel(vendors: Vendors, asked: Asked, job_id: str) -> Reply:
    if trouble := failed(vendors, asked, vendors.behaviour.get_fault(asked.vendor)):
        return trouble
    job = vendors.books.job(asked.vendor, job_id)
    if job is None or vendors.status(job, asked.at) in OVER:
        _remember(vendors, asked, [])
        return error(409, "already_over") if job else error(404, "no_such_job")
    cancelled(vendors, asked, job)
    return Reply(body=vendors.told(job, asked.at))


def seen(vendors: Vendors, asked: Asked, job_ids: Sequence[str], manner: Manner) -> Reply | list[Row]:
    """A look at some jobs in another protocol: those that exist, or the trouble that came in between."""
    if trouble := failed(vendors, asked, vendors.behaviour.get_fault(asked.vendor), manner):
        return trouble
    found = [vendors.books.job(asked.vendor, job_id) for job_id in job_ids]
    jobs = [job for job in found if job]
    _remember(vendors, asked, jobs)
    return jobs


def paged(vendors: Vendors, asked: Asked, query: dict[str, str], manner: Manner) -> Reply | tuple[list[Row], str]:
    """A listing in another protocol: (jobs, the oldest first, cursor or ""). `query` as of GET /v1/jobs."""
    if trouble := failed(vendors, asked, vendors.behaviour.get_fault(asked.vendor), manner):
        return trouble
    jobs, cursor = _page(vendors, replace(asked, query=query))
    _remember(vendors, asked, [])
    return jobs, cursor or ""


def cancelled(vendors: Vendors, asked: Asked, job: Row) -> None:
    """Ends a job that is not over."""
    vendors.books.saw(vendors.entry(asked), verdict="looked")
    vendors.books.cancel(job["id"], asked.at)
    job["cancelled_at"] = asked.at
    vendors.moved(job)
    submits.close_ranks(vendors, asked.vendor, asked.at)


def failed(vendors: Vendors, asked: Asked, fault: str, manner: Manner = GENERIC) -> Reply | None:
    if not fault or fault == "list_miss":
        return None
    vendors.books.saw(vendors.entry(asked), verdict=f"fault {fault}")
    match fault:
        case "lose" | "reset" | "hang":
            until = asked.at + vendors.behaviour.of(asked.vendor)["hang_s"]
            return no_answer(fault, at=until if fault == "hang" else 0.0)
        case "garbage":
            return Reply(body=b"<html>", media_type="text/html")
        case "cut":
            return Reply(body={"jobs": []}, sent_share=0.5)
    return manner.failed(asked, int(fault), fault)


def _remember(vendors: Vendors, asked: Asked, jobs: list[Row]) -> None:
    """Counts a poll of each, and notes when a client first saw that it was over."""
    polled = [(job["id"], asked.at if vendors.status(job, asked.at) in OVER else None) for job in jobs]
    vendors.books.saw(vendors.entry(asked), verdict="looked", polled=polled)


def _of_ids(vendors: Vendors, asked: Asked) -> list[Row]:
    """In the order asked for, at most 100; those that nobody knows are left out."""
    found = [vendors.books.job(asked.vendor, job_id) for job_id in asked.query["ids"].split(",")[:100]]
    return [job for job in found if job]


def _page(vendors: Vendors, asked: Asked) -> tuple[list[Row], str | None]:
    """By tag, and by when they were accepted (real seconds, both ends included); the oldest first.

    A full page comes with a cursor, which goes into `after` of the next request.
    """
    query, clock, settings = asked.query, vendors.clock, vendors.behaviour.of(asked.vendor)
    oldest = clock.virtual(float(query["created_after"])) if "created_after" in query else -1e18
    newest = clock.virtual(float(query["created_before"])) if "created_before" in query else 1e18
    sql = "SELECT rowid, * FROM jobs WHERE vendor = ? AND bulk = '' AND accepted_at BETWEEN ? AND ? AND rowid > ?"
    values: list[Any] = [asked.vendor, oldest, min(newest, asked.at - settings["list_lag_s"])]
    values.append(int(query.get("after") or 0))
    if "tag" in query and settings["keeps_tags"]:
        sql, values = sql + " AND tag = ?", [*values, query["tag"]]
    size = max(1, min(int(query.get("limit") or settings["page_size"]), settings["page_size"]))
    jobs = vendors.books.rows(sql + f" ORDER BY rowid LIMIT {size + 1}", *values)
    return jobs[:size], str(jobs[size - 1]["rowid"]) if len(jobs) > size else None
