"""The lines of bulk jobs: read, planned, billed, and told in an output and an error file.

A line is {"custom_id": …, "url": "/v1/texts", "body": {…}}; an answered one is a job of the books, tagged with its id.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from . import media
from .books import Row

if TYPE_CHECKING:
    from .vendor import Vendors

KINDS = {"images": "image", "clips": "clip", "texts": "text", "speech": "speech", "moderations": "moderation"}
FAULTS = {
    "expires",  # with a share of the lines done; the others are in the error file
    "expires_silently",  # the others are nowhere, and no count speaks of them
    "no_output",  # completed, and every line is in the error file
    "lines_missing",
    "lines_doubled",
    "broken_line",
    "strange_line",  # one that nobody asked for
    "output_gone",  # the file with the results is not there any more
    "invalid",
    "token_limit",
    "stuck",
}


def read(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines() if line.strip()]


def trouble_with(content: bytes, most: int) -> str:
    """What validation finds wrong with a file."""
    try:
        found = read(content)
        ids = [line["custom_id"] for line in found]
        kinds = {_kind(line) for line in found}
    except (ValueError, KeyError, TypeError):
        return "invalid_json_line"
    if not found:
        return "empty_file"
    if len(found) > most:
        return "too_many_lines"
    if len(set(ids)) < len(ids):
        return "duplicate_custom_id"
    return "" if len(kinds) == 1 and kinds <= set(media.MAKERS) else "mismatched_url"


def _kind(line: dict[str, Any]) -> str:
    return KINDS.get(line["url"].rpartition("/")[2], "")


def tokens_of(content: bytes) -> int:
    try:
        return sum(sum(_units(line).values()) for line in read(content) if _kind(line) == "text")
    except (ValueError, KeyError, TypeError):
        return 0


def _units(line: dict[str, Any]) -> dict[str, int]:
    return media.units(_kind(line), line["body"])


def planned(vendors: Vendors, bulk: Row, content: bytes) -> list[Row]:
    """A job of each line, with the moment of its answer; billed are those that will be answered."""
    if bulk["problem"]:
        return []
    settings, luck = vendors.behaviour.of(bulk["vendor"]), random.Random(bulk["id"])
    end = min(bulk["works_until"], bulk["expires_at"] + 1e9)
    jobs = []
    for line in read(content):
        kind, done_at = _kind(line), luck.uniform(bulk["validated_at"], end)
        failed = bulk["fault"] == "no_output" or luck.random() < settings["line_failures"]
        missing = bulk["fault"] == "lines_missing" and luck.random() < 0.3
        billed = not failed and not missing and done_at <= bulk["expires_at"]
        price = vendors.behaviour.price_micro(bulk["vendor"], kind) * settings["bulk_share"]
        jobs.append(
            {
                "id": f"{kind}-{vendors.books.next_number():06d}-{luck.getrandbits(32):08x}",
                "vendor": bulk["vendor"],
                "bulk": bulk["id"],
                "kind": kind,
                "tag": line["custom_id"],
                "key": None,
                "fingerprint": "",
                "request": json.dumps(line["body"]),
                "accepted_at": bulk["accepted_at"],
                "starts_at": bulk["validated_at"],
                "done_at": done_at,
                "ending": "missing" if missing else "failed" if failed else "succeeded",
                "fault": "",
                "billed_micro": round(price) if billed else 0,
                "cancelled_at": None,
                "units": json.dumps(_units(line)),
                "throttled": 0,
            }
        )
    return jobs


# -- what came of them -----------------------------------------------------------------------------


def last_moment(bulk: Row) -> float:
    """After it, no line is answered any more."""
    ends = [bulk["expires_at"], bulk["cancelled_at"]]
    return float(min(end for end in ends if end is not None))


def counts_of(vendors: Vendors, bulk: Row, now: float) -> dict[str, int]:
    sql = "SELECT ending, count(*) AS n FROM jobs WHERE bulk = ? AND done_at <= ? GROUP BY ending"
    until = min(now, last_moment(bulk))
    by_ending = {row["ending"]: row["n"] for row in vendors.books.rows(sql, bulk["id"], until)}
    total = vendors.books.rows("SELECT count(*) AS n FROM jobs WHERE bulk = ?", bulk["id"])[0]["n"]
    return {"total": total, "completed": by_ending.get("succeeded", 0), "failed": by_ending.get("failed", 0)}


def has_file(vendors: Vendors, bulk: Row, role: str) -> bool:
    return bool(_of_role(vendors, bulk, role))


def _of_role(vendors: Vendors, bulk: Row, role: str) -> list[Row]:
    """What the output file answers, or the error file speaks of."""
    last = last_moment(bulk)
    jobs = vendors.books.rows("SELECT * FROM jobs WHERE bulk = ? ORDER BY rowid", bulk["id"])
    if role == "output":
        return [job for job in jobs if job["ending"] == "succeeded" and job["done_at"] <= last]
    silent = bulk["fault"] == "expires_silently"
    return [
        job
        for job in jobs
        if (job["ending"] == "failed" and job["done_at"] <= last)
        or (job["ending"] != "missing" and job["done_at"] > last and not silent)
    ]


def file_of(vendors: Vendors, bulk: Row, role: str) -> list[tuple[Row, dict[str, Any]]]:
    """Jobs and what is said of each, in any order; the server writes it out."""
    luck, last = random.Random(f"{bulk['id']}:{role}"), last_moment(bulk)
    jobs = _of_role(vendors, bulk, role)
    if role == "output" and bulk["fault"] == "lines_doubled":
        jobs += luck.sample(jobs, max(1, len(jobs) // 4)) if jobs else []
    if role == "output" and bulk["fault"] == "strange_line" and jobs:
        jobs.append({**jobs[0], "tag": f"nobody-{bulk['id']}"})
    luck.shuffle(jobs)
    word = "bulk_expired" if last == bulk["expires_at"] else "bulk_cancelled"
    return [(job, _said(vendors, job, word if job["done_at"] > last else "")) for job in jobs]


def _said(vendors: Vendors, job: Row, unanswered: str) -> dict[str, Any]:
    said: dict[str, Any] = {"id": f"line-{job['id']}", "custom_id": job["tag"], "response": None, "error": None}
    if unanswered:
        said["error"] = {"code": unanswered, "message": "This request was not worked on in time."}
        return said
    told = {name: value for name, value in vendors.told(job, job["done_at"]).items() if name != "tag"}
    said["response"] = {"status_code": 200 if told["status"] == "succeeded" else 400, "body": told}
    return said


def written(said: list[dict[str, Any]], fault: str) -> bytes:
    """JSON lines; one of them broken where that is the fault."""
    rows = [json.dumps(line, ensure_ascii=False) for line in said]
    if fault == "broken_line" and rows:
        rows[len(rows) // 2] = rows[len(rows) // 2][:-20]
    return "".join(f"{row}\n" for row in rows).encode()
