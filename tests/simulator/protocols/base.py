"""What a protocol of a real vendor is: its paths, its words, its limits; all else is the simulator's.

`answer` reads what came (`said`, `form`), puts it into the simulator's own words and calls `take`, `see`, `page` or
`end`. Those look at limits and luck, keep the books, and ask back for the vendor's words (`Manner`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, Any, ClassVar

from .. import files, hooks, looks, submits
from ..books import Row
from ..manner import Manner
from ..replies import Asked, Reply

if TYPE_CHECKING:
    from ..vendor import Vendors

OVER = looks.OVER


class BadBody(ValueError):
    """The request is not what the vendor takes; the text says why."""


class Protocol(Manner):
    slug: ClassVar[str]  # the first part of the path; as the adapter's
    settings: ClassVar[dict[str, Any]] = {}  # what differs from settings.DEFAULTS: the vendor's limits, latencies, …

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        raise NotImplementedError

    # -- reading ---------------------------------------------------------------------------------

    def said(self, asked: Asked) -> dict[str, Any]:
        """The JSON object that came."""
        try:
            said = json.loads(asked.raw or b"{}")
        except ValueError:
            raise BadBody("not JSON") from None
        if not isinstance(said, dict):
            raise BadBody("not an object")
        return said

    def form(self, asked: Asked) -> dict[str, str | bytes]:
        """The fields of a multipart form; files as bytes."""
        if "multipart/form-data" not in asked.media_type:
            raise BadBody("not a multipart form")
        head = b"Content-Type: " + asked.media_type.encode() + b"\r\n\r\n"
        found: dict[str, str | bytes] = {}
        for part in BytesParser(policy=HTTP).parsebytes(head + asked.raw).iter_parts():
            name = str(part.get_param("name", header="content-disposition"))
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found[name] = content if part.get_filename() is not None else content.decode()
        return found

    # -- what the books do -----------------------------------------------------------------------

    def take(self, vendors: Vendors, asked: Asked, kind: str, order: dict[str, Any], *, waits: bool = False) -> Reply:
        """A job is asked for: `kind` image, clip, speech, text or moderation; `order` in the simulator's own words.

        prompt, model, width, height, seconds, count, seed, tag, format, callback_url, max_tokens; whatever else is
        in it is kept with the job (`manner.request_of`). `waits`: the vendor answers when it is done.
        """
        place = vendors.behaviour.of(self.slug)["hook_url"]
        body = {**({"callback_url": place} if place else {}), **order}
        return submits.submit(vendors, replace(asked, body=body), kind, waits=waits, manner=self)

    def see(self, vendors: Vendors, asked: Asked, *job_ids: str) -> Reply | list[Row]:
        """A look at some jobs: those that exist, or the trouble that came in between."""
        return looks.seen(vendors, asked, job_ids, self)

    def page(self, vendors: Vendors, asked: Asked, **query: Any) -> Reply | tuple[list[Row], str]:
        """A listing, the oldest first, and a cursor or "": created_after and _before (real s), after, limit, tag."""
        return looks.paged(vendors, asked, {name: str(value) for name, value in query.items()}, self)

    def end(self, vendors: Vendors, asked: Asked, job: Row) -> None:
        """Cancels a job that is not over."""
        looks.cancelled(vendors, asked, job)

    def refuse(self, vendors: Vendors, asked: Asked, status: int, why: str) -> Reply:
        """A request that is wrong in itself; it is in the books, too."""
        vendors.books.saw(vendors.entry(asked), verdict="bad request")
        return self.failed(asked, status, why)

    # -- telling ---------------------------------------------------------------------------------

    def links(self, vendors: Vendors, job: Row, base: str, count: int = 1) -> list[str]:
        return [files.link(vendors, job, base, number) for number in range(count)]

    def real_ms(self, vendors: Vendors, moment: float) -> int:
        """A virtual moment as milliseconds since 1970."""
        return round(vendors.clock.real(moment) * 1000)

    # -- webhooks --------------------------------------------------------------------------------

    def hook(self, vendors: Vendors, job: Row, base: str) -> dict[str, Any]:
        """The body of a webhook about the job as it stands now."""
        raise NotImplementedError

    def signs(self, message: str, body: str, secret: str, at: float) -> dict[str, str]:
        """The headers that prove where a webhook comes from; Standard Webhooks, unless overridden."""
        return hooks.standard(message, body, secret, at)


def found(jobs: Sequence[Row]) -> Row | None:
    return jobs[0] if jobs else None
