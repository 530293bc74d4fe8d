"""Bulk: a file of requests goes in, is worked off within 24 hours at half the price, and comes out as one or two files.

https://developers.openai.com/api/docs/guides/batch (read 2026-11-21). Their name for it is a batch. Voices are not sold
this way, nor pictures that go by others. Lines come back in any order; each is told apart by its `custom_id`, our tag.
Completed says nothing of the lines: all of them may have failed, and then there is no output file at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ... import base
from ...answers import Said
from ...base import HttpAnswer, LineOutcome
from ...exceptions import CallError, NotSent, Rejected, Unknown
from ...types import Bulk, BulkState, Capability, Failed, Request
from . import images, moderation, text

if TYPE_CHECKING:
    from .adapter import OpenAI

MOST_LINES, MOST_BYTES = 50_000, 200_000_000
TAG = "vidbatch"  # in the metadata
PAGE = 100
MOST_PAGES = 50
UPLOAD_S = 300.0
QUEUE_FULL = "token_limit_exceeded"  # more tokens would wait there than the account may have waiting
PATHS = {
    Capability.SCRIPT: "/v1/chat/completions",
    Capability.IMAGE: "/v1/images/generations",
    Capability.MODERATION: "/v1/moderations",
}
BODIES = {Capability.SCRIPT: text.body, Capability.IMAGE: images.body, Capability.MODERATION: moderation.body}
READERS = {Capability.SCRIPT: text.read, Capability.IMAGE: images.read, Capability.MODERATION: moderation.read}

STATES = {
    "validating": BulkState.RUNNING,
    "in_progress": BulkState.RUNNING,
    "finalizing": BulkState.RUNNING,
    "cancelling": BulkState.RUNNING,
    "completed": BulkState.OVER,
    "expired": BulkState.OVER,
    "cancelled": BulkState.OVER,
    "failed": BulkState.FAILED,
}


# -- what goes in ----------------------------------------------------------------------------------


def written(requests: Sequence[Request]) -> bytes:
    """The file: a line for each, named by its tag. All of one capability and model, as the vendor wants it."""
    kinds = {(request.capability, request.offer) for request in requests}
    if len(kinds) != 1:
        raise Rejected("A bulk job is of one model, and of at least one request.")
    (capability, _), tags = next(iter(kinds)), {request.tag for request in requests}
    if capability not in PATHS:
        raise Rejected(f"OpenAI sells no {capability} in bulk.")
    if any(map(has_references, requests)):
        raise Rejected("OpenAI takes no reference pictures in bulk.")
    if "" in tags or len(tags) < len(requests):
        raise Rejected("The lines of a bulk job need tags of their own.")
    if len(requests) > MOST_LINES:
        raise Rejected(f"OpenAI takes at most {MOST_LINES:,} lines, and there are {len(requests):,}.")
    content = b"".join(_line(request) for request in requests)
    if len(content) > MOST_BYTES:
        raise Rejected(f"OpenAI takes at most {MOST_BYTES // 10**6} MB, and these are {len(content) // 10**6}.")
    return content


def has_references(request: Request) -> bool:
    """They go to another address, with the files in the body."""
    return any(file.role == "reference" for file in request.inputs)


def _line(request: Request) -> bytes:
    line = {
        "custom_id": request.tag,
        "method": "POST",
        "url": PATHS[request.capability],
        "body": BODIES[request.capability](request),
    }
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def upload(adapter: OpenAI, content: bytes, tag: str) -> str:
    """The id of the file. To be kept before `create`: it costs nothing, and can be sent again."""
    sdk = adapter.client(timeout_s=UPLOAD_S)
    raw = sdk.files.with_raw_response.create(file=(f"{tag}.jsonl", content, "application/jsonl"), purpose="batch")
    return adapter.said(raw.content).text("id")


def create(adapter: OpenAI, file_id: str, capability: Capability, tag: str) -> Bulk:
    """What costs money. A lost answer is found again by its tag."""
    sdk = adapter.client(paid=True)
    endpoint: Any = PATHS[capability]
    raw = sdk.batches.with_raw_response.create(
        input_file_id=file_id, endpoint=endpoint, completion_window="24h", metadata={TAG: tag}
    )
    return _bulk(adapter.said(raw.content))


# -- how it stands ---------------------------------------------------------------------------------


def look(adapter: OpenAI, external_id: str) -> Bulk:
    return _bulk(adapter.said(adapter.client().batches.with_raw_response.retrieve(external_id).content))


def find(adapter: OpenAI, tag: str, since: datetime) -> Bulk | None:
    """The newest with our tag, made since then. The listing is by time, the newest first."""
    after: dict[str, Any] = {}
    for _ in range(MOST_PAGES):
        raw = adapter.client().batches.with_raw_response.list(limit=PAGE, **after)
        page = adapter.said(raw.content)
        bulks = [_bulk(item) for item in page.items("data")]
        for bulk in bulks:
            if bulk.created_at < since:
                return None
            if bulk.tag == tag:
                return bulk
        if not bulks or not page.flag("has_more", default=False):
            return None
        after = {"after": bulks[-1].external_id}
    raise Unknown("OpenAI lists more bulk jobs than can be looked through.")


def cancel(adapter: OpenAI, external_id: str) -> Bulk:
    """Takes up to ten minutes; what was answered until then is billed, and can be had."""
    return _bulk(adapter.said(adapter.client().batches.with_raw_response.cancel(external_id).content))


def _bulk(said: Said) -> Bulk:
    word = said.text("status")
    state = STATES.get(word, BulkState.RUNNING)
    files = (said.text(name, default="") for name in ("output_file_id", "error_file_id"))  # "" is as good as none
    return Bulk(
        external_id=said.text("id"),
        state=state,
        tag=said.text("metadata", TAG, default=""),
        word=word,
        unknown_status="" if word in STATES else word,
        created_at=datetime.fromtimestamp(min(said.whole("created_at"), 2**33), UTC),
        files=tuple(name for name in files if name),
        done=said.whole("request_counts", "completed", default=0) + said.whole("request_counts", "failed", default=0),
        problem=_problem(said) if state is BulkState.FAILED else "",
        queue_full=state is BulkState.FAILED
        and any(error.text("code", default="") == QUEUE_FULL for error in _errors(said)),
    )


def _errors(said: Said) -> Iterable[Said]:
    return said.items("errors", "data", optional=True)


def _problem(said: Said) -> str:
    for error in _errors(said):
        line = f" in line {error.whole('line')}" if error.has("line") else ""
        return f"{error.text('message', default=error.text('code', default='it failed'))}{line}"
    return "OpenAI could not use the file."


# -- what comes out --------------------------------------------------------------------------------


def read(adapter: OpenAI, bulk: Bulk, requests: Mapping[str, Request]) -> Iterator[tuple[str, LineOutcome]]:
    """What became of each request, by its tag, one at a time: pictures of many are more than memory holds.

    NotSent: it was not worked on and costs nothing. Unknown: no line speaks of it, or none that can be read.
    """
    left = set(requests)
    for file_id in bulk.files if bulk.state is not BulkState.FAILED else ():
        for line in lines(adapter, file_id):
            tag = _tag(line)
            if tag in left:  # one that comes twice counts once
                left.remove(tag)
                yield tag, outcome(adapter, line, requests[tag])
    for tag in sorted(left):
        yield tag, _without_line(bulk)


def _without_line(bulk: Bulk) -> LineOutcome:
    if bulk.state is BulkState.FAILED:
        return NotSent(f"The bulk job failed: {bulk.problem.rstrip('.')}.")
    return Unknown("OpenAI's files have no line for it.")


def outcome(adapter: OpenAI, line: Said, request: Request) -> LineOutcome:
    """A refusal over HTTP stands inside `response`; beside it only what never came so far."""
    try:
        if not line.has("response", "status_code"):
            return NotSent("OpenAI did not work on it.", detail=line.text("error", "code", default=""))
        status = line.whole("response", "status_code")
        body = line.part("response").value.get("body")
        if status == 200:
            return READERS[request.capability](Said(adapter.label, body), request)
        error = adapter.error_of(HttpAnswer(status, {}, json.dumps(body).encode()))
    except CallError as trouble:
        return trouble
    if isinstance(error, Unknown):  # a failure of theirs, told as one: it is not billed, and may be sent again
        return Failed(reason=error.message)
    return error


def _tag(line: Said) -> str:
    tag = line.value.get("custom_id") if isinstance(line.value, dict) else None
    return tag if isinstance(tag, str) else ""


def lines(adapter: OpenAI, file_id: str) -> Iterator[Said]:
    """One after the other, as a file of pictures is larger than what is held in memory; broken ones are left out."""
    for line in _raw_lines(adapter, f"/files/{file_id}/content"):
        try:
            yield Said(adapter.label, json.loads(line))
        except (ValueError, RecursionError):
            continue


def _raw_lines(adapter: OpenAI, path: str) -> Iterator[bytes]:
    import requests  # 12 MB

    from ... import wire

    session = adapter.session or wire.session()
    options: Any = {"timeout": (base.CONNECT_TIMEOUT_S, 60.0), "allow_redirects": False, "stream": True}
    try:
        with closing(session.get(adapter.address(path), headers=adapter.headers(), **options)) as response:
            if response.status_code >= 300:
                content = next(response.iter_content(base.BLOCK_BYTES), b"")
                raise adapter.error_of(HttpAnswer(response.status_code, response.headers, content))
            yield from _split(adapter.label, response.iter_content(base.BLOCK_BYTES))
    except requests.exceptions.RequestException as error:
        raise Unknown(f"{adapter.label} broke off in the middle of a file.", detail=repr(error)) from error


def _split(label: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """At the ends of lines; none may be longer than a whole answer elsewhere."""
    parts: list[bytes] = []
    for block in blocks:
        *ends, rest = block.split(b"\n")
        for end in ends:
            yield b"".join([*parts, end])
            parts = []
        parts.append(rest)
        if sum(map(len, parts)) > base.MOST_BYTES:
            raise Unknown(f"{label} answered with a line without end.")
    yield b"".join(parts)
