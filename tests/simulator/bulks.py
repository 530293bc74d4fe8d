"""Bulk jobs: a file of requests goes in, is worked off at half the price, and comes out as one or two files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import lines, uploads
from .books import Row
from .replies import Asked, Reply, error, no_answer
from .settings import BEFORE

if TYPE_CHECKING:
    from .vendor import Vendors

NEVER = 1e18
ENDED = ("completed", "failed", "expired", "cancelled")


def create(vendors: Vendors, asked: Asked) -> Reply:
    books, settings, entry = vendors.books, vendors.behaviour.of(asked.vendor), vendors.entry(asked)
    metadata = asked.body.get("metadata") or {}
    entry |= {"tag": str(metadata.get("tag", "")), "counts": json.dumps({"requests": 1})}
    given = uploads.known(vendors, asked.vendor, str(asked.body.get("input_file_id", "")))
    if given is None:
        books.saw({**entry, "counts": ""}, verdict="bad request")
        return error(400, "no_such_input_file")
    if refusal := vendors.gate(asked.vendor, asked.at).admit({"requests": 1}, now=asked.at):
        books.saw(entry, verdict=refusal.why)
        return error(429, "rate_limited", **{"Retry-After": f"{refusal.wait_s / vendors.clock.scale + 0.001:.3f}"})
    chance = vendors.behaviour.chance(asked.vendor)
    fault = vendors.behaviour.fault("submit", asked.vendor, chance)
    if fault in BEFORE:
        books.saw(entry, verdict=f"fault {fault}")
        return error(BEFORE[fault], fault) if BEFORE[fault] else no_answer(fault)
    bulk = _planned(vendors, asked, given, chance.getrandbits(32))
    jobs = lines.planned(vendors, bulk, given["content"])
    books.saw(entry, verdict="accepted", made=[("bulks", bulk), *(("jobs", job) for job in jobs)])
    bulk["cancelled_at"] = None
    if fault.startswith(("lose", "reset", "hang")):
        return no_answer(fault, at=asked.at + settings["hang_s"] if fault.startswith("hang") else 0.0)
    if fault[:3].isdigit():
        return error(int(fault[:3]), "internal")
    return Reply(body=told(vendors, bulk, asked.at))


def _planned(vendors: Vendors, asked: Asked, given: Row, number: int) -> Row:
    """All that will become of it, known from the start."""
    settings, chance = vendors.behaviour.of(asked.vendor), vendors.behaviour.luck(f"bulk {number}")
    fault = vendors.behaviour.fault("bulk", asked.vendor, chance)
    validated_at = asked.at + chance.uniform(*settings["bulk_validate_s"])
    takes_s = chance.uniform(*settings["bulk_latency_s"])
    expires_at = asked.at + settings["bulk_window_s"]
    if fault in ("expires", "expires_silently"):
        expires_at = min(expires_at, validated_at + takes_s * settings["bulk_done_share"])
    return {
        "id": f"bulk-{vendors.books.next_number():06d}-{number:08x}",
        "vendor": asked.vendor,
        "input_file": given["id"],
        "metadata": json.dumps(asked.body.get("metadata") or {}),
        "accepted_at": asked.at,
        "validated_at": validated_at,
        "works_until": NEVER if fault == "stuck" else validated_at + takes_s,
        "done_at": NEVER if fault == "stuck" else validated_at + takes_s + settings["bulk_finalize_s"],
        "expires_at": expires_at,
        "fault": fault,
        "problem": _problem(vendors, asked, given, fault),
        "tokens": lines.tokens_of(given["content"]),
    }


def _problem(vendors: Vendors, asked: Asked, given: Row, fault: str) -> str:
    """What validation will find, "" for nothing."""
    settings = vendors.behaviour.of(asked.vendor)
    if fault in ("invalid", "token_limit"):
        return {"invalid": "invalid_json_line", "token_limit": "token_limit_exceeded"}[fault]
    if found := lines.trouble_with(given["content"], settings["bulk_lines"]):
        return found
    waiting = sum(bulk["tokens"] for bulk in _living(vendors, asked.vendor, asked.at))
    allowed = settings["enqueued_tokens"]
    return "token_limit_exceeded" if allowed and waiting + lines.tokens_of(given["content"]) > allowed else ""


def _living(vendors: Vendors, vendor: str, now: float) -> list[Row]:
    found = vendors.books.rows("SELECT * FROM bulks WHERE vendor = ?", vendor)
    return [bulk for bulk in found if status(bulk, now) not in ENDED]


# -- looking ---------------------------------------------------------------------------------------


def status(bulk: Row, now: float) -> str:
    if now < bulk["validated_at"]:
        return "validating"
    if bulk["problem"]:
        return "failed"
    if bulk["cancelled_at"] is not None and bulk["cancelled_at"] <= min(bulk["done_at"], bulk["expires_at"]):
        return "cancelling" if now < bulk["cancelled_at"] else "cancelled"
    if min(bulk["done_at"], now) >= bulk["expires_at"]:
        return "expired"
    if now < bulk["works_until"]:
        return "in_progress"
    return "finalizing" if now < bulk["done_at"] else "completed"


def told(vendors: Vendors, bulk: Row, now: float) -> dict[str, Any]:
    word = status(bulk, now)
    counts = lines.counts_of(vendors, bulk, now)
    said: dict[str, Any] = {
        "id": bulk["id"],
        "object": "bulk",
        "status": word,
        "input_file_id": bulk["input_file"],
        "output_file_id": None,
        "error_file_id": None,
        "metadata": json.loads(bulk["metadata"]),
        "created_at": vendors.clock.real(bulk["accepted_at"]),
        "expires_at": vendors.clock.real(min(bulk["expires_at"], 1e12)),
        "request_counts": counts,
    }
    if word == "failed":
        said["errors"] = [{"code": bulk["problem"], "message": bulk["problem"].replace("_", " "), "line": 1}]
    if word in ("completed", "expired", "cancelled"):
        for role in ("output", "error"):
            if lines.has_file(vendors, bulk, role):
                said[f"{role}_file_id"] = f"{role}-{bulk['id']}"
    return said


def look(vendors: Vendors, asked: Asked, bulk_id: str) -> Reply:
    bulk = vendors.books.bulk(asked.vendor, bulk_id)
    seen_at = asked.at if bulk and status(bulk, asked.at) in ENDED else None
    vendors.books.saw(vendors.entry(asked), verdict="looked", polled=[(bulk_id, seen_at)], table="bulks")
    return Reply(body=told(vendors, bulk, asked.at)) if bulk else error(404, "no_such_bulk")


def listing(vendors: Vendors, asked: Asked, fault: str) -> Reply:
    """The newest first, in pages; the cursor goes into `after`."""
    vendors.books.saw(vendors.entry(asked), verdict="looked")
    settings, query = vendors.behaviour.of(asked.vendor), asked.query
    size = max(1, min(int(query.get("limit") or settings["page_size"]), settings["page_size"]))
    sql = "SELECT rowid, * FROM bulks WHERE vendor = ? AND accepted_at <= ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
    before = int(query.get("after") or 2**60)
    found = vendors.books.rows(sql, asked.vendor, asked.at - settings["list_lag_s"], before, size + 1)
    page = found[:size][1:] if fault == "list_miss" else found[:size]
    cursor = str(found[size - 1]["rowid"]) if len(found) > size else None
    return Reply(body={"bulks": [told(vendors, bulk, asked.at) for bulk in page], "next": cursor})


def cancel(vendors: Vendors, asked: Asked, bulk_id: str) -> Reply:
    """Takes a while; what was answered until then is billed and can be had."""
    vendors.books.saw(vendors.entry(asked), verdict="looked")
    bulk = vendors.books.bulk(asked.vendor, bulk_id)
    if bulk is None:
        return error(404, "no_such_bulk")
    if status(bulk, asked.at) in ("cancelling", *ENDED):
        return error(409, "already_over")
    bulk["cancelled_at"] = max(asked.at, bulk["validated_at"]) + vendors.behaviour.of(asked.vendor)["bulk_cancel_s"]
    vendors.books.end_bulk(bulk["id"], bulk["cancelled_at"])
    return Reply(body=told(vendors, bulk, asked.at))
