"""Links to finished files, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import media
from .replies import Asked, Reply, error

if TYPE_CHECKING:
    from .books import Row
    from .vendor import Vendors

ELSEWHERE = "http://10.0.0.1/inside.png"  # where no client should follow


def link(vendors: Vendors, job: Row, base: str, number: int = 0) -> str:
    """The address of a job's file; `number` where there are several."""
    name = f"{job['id']}~{number}" if number else job["id"]
    url = f"{base}/files/{name}.{media.type_of(job)[1]}"
    life_s = vendors.behaviour.of(job["vendor"])["link_life_s"]
    return f"{url}?until={vendors.clock.real(vendors.clock.now() + life_s):.3f}" if life_s else url


def fetch(vendors: Vendors, asked: Asked, name: str) -> Reply:
    job_id, _, number = name.rpartition(".")[0].partition("~")
    job = vendors.books.job(asked.vendor, job_id)
    if job is None or vendors.status(job, asked.at) != "succeeded":
        return error(404, "no_such_file")
    lives = vendors.behaviour.of(asked.vendor)["link_life_s"]
    if lives and float(asked.query.get("until") or 0) < vendors.clock.real(asked.at):
        return error(403, "link_expired")
    first = vendors.books.fetched(job["id"]) == 0
    return _file(job, int(number or 0), job["fault"] if first else "")


def _file(job: Row, number: int, fault: str) -> Reply:
    reply = Reply(content=job, number=number, media_type=media.type_of(job)[0])
    match fault:
        case "expired_file":
            return error(403, "link_expired")
        case "missing_file":
            return error(404, "no_such_file")
        case "redirected_file":
            return Reply(status=302, body=b"", headers={"Location": ELSEWHERE})
        case "html_file":
            return Reply(body=b"<!doctype html><title>Please sign in</title>", media_type="text/html")
        case "empty_file":
            return Reply(body=b"", media_type=reply.media_type)
        case "cut_file":
            reply.sent_share = 0.5
        case "slow_file":
            reply.drips = True
        case "endless_file":
            reply.endless = True
    return reply
