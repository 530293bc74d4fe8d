"""Links to finished files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import media
from .replies import Asked, Reply, error

if TYPE_CHECKING:
    from .vendor import Vendors


def fetch(vendors: Vendors, asked: Asked, name: str) -> Reply:
    job = vendors.books.job(asked.vendor, name.rpartition(".")[0])
    if job is None or vendors.status(job, asked.at) != "succeeded":
        return error(404, "no_such_file")
    first = vendors.books.fetched(job["id"]) == 0
    if job["fault"] == "expired_file" and first:
        return error(403, "link_expired")
    reply = Reply(content=job, media_type=media.TYPES[job["kind"]][0])
    if job["fault"] == "cut_file" and first:
        reply.sent_share = 0.5
    return reply
