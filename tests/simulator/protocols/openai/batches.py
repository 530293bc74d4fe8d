"""Files and batches, on top of the simulator's own bulk jobs: it knows simpler lines, so those are kept beside."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ... import bulks, lines, looks, uploads
from ...books import Row
from ...replies import Asked, Reply
from ..base import BadBody
from . import orders, words
from .orders import Wrong, need

if TYPE_CHECKING:
    from ...vendor import Vendors
    from . import OpenAI

FILE_LIFE_S = 30 * 86_400.0
MOST_BYTES = 200_000_000
SIMPLER = {"text": "/v1/texts", "image": "/v1/images", "moderation": "/v1/moderations"}
KINDS = {"/v1/chat/completions": "text", "/v1/images/generations": "image", "/v1/moderations": "moderation"}
ENDPOINTS = {*KINDS, "/v1/responses", "/v1/embeddings", "/v1/completions", "/v1/images/edits", "/v1/videos"}
READS = {"text": orders.chat, "image": orders.image, "moderation": orders.moderation}
FIELDS = {"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"}


# -- files -----------------------------------------------------------------------------------------


def upload(protocol: OpenAI, vendors: Vendors, asked: Asked) -> Reply:
    form = protocol.form(asked)
    need(form.get("purpose") == "batch", "Invalid value for 'purpose'.", param="purpose")
    need(isinstance(form.get("file"), bytes), "Missing required parameter: 'file'.", param="file")
    need(len(form["file"]) <= MOST_BYTES, "The file is larger than 200 MB.", "file_too_large")
    return Reply(body=told_file(vendors, of_id(vendors, asked, uploads.upload(vendors, asked).body["id"])))


def of_id(vendors: Vendors, asked: Asked, file_id: str) -> Row:
    row = uploads.known(vendors, asked.vendor, file_id) if file_id.startswith("file-") else None
    if row is None or asked.at - row["created_at"] > FILE_LIFE_S:
        raise Wrong(f"No such File object: {file_id}", param="id", status=404)
    return row


def told_file(vendors: Vendors, row: Row) -> dict[str, Any]:
    created = round(vendors.clock.real(row["created_at"]))
    return {
        "id": row["id"],
        "object": "file",
        "bytes": len(row["content"]),
        "created_at": created,
        "expires_at": created + round(FILE_LIFE_S),
        "filename": row["name"],
        "purpose": "batch",
        "status": "processed",
        "status_details": None,
    }


def content(protocol: OpenAI, vendors: Vendors, asked: Asked, file_id: str) -> Reply:
    """Of an upload, or of a batch: file-output-… and file-error-…"""
    vendors.books.saw(vendors.entry(asked), verdict="looked")
    role, _, rest = file_id.removeprefix("file-").partition("-")
    bulk = vendors.books.bulk(asked.vendor, f"bulk-{rest}") if role in ("output", "error") else None
    if bulk is None:
        return Reply(body=of_id(vendors, asked, file_id)["content"], media_type="application/octet-stream")
    is_old = asked.at - lines.last_moment(bulk) > FILE_LIFE_S
    if is_old or (role == "output" and bulk["fault"] == "output_gone") or not lines.has_file(vendors, bulk, role):
        raise Wrong(f"No such File object: {file_id}", param="id", status=404)
    return _written(vendors, bulk, role)


def _written(vendors: Vendors, bulk: Row, role: str) -> Reply:
    """In no order; a line with pictures has as many contents as were asked for."""
    said = lines.file_of(vendors, bulk, role)
    counts = [_contents_of(job) if _is_answered(line) else 0 for job, line in said]
    made = [(job, number) for (job, _), count in zip(said, counts, strict=True) for number in range(count)]

    def shape(contents: list[bytes]) -> bytes:
        given, told = iter(contents), []
        for (job, line), count in zip(said, counts, strict=True):
            told.append(_line(vendors, job, line, [next(given) for _ in range(count)]))
        return lines.written(told, bulk["fault"] if role == "output" else "")

    return Reply(made=made, shape=shape, media_type="application/octet-stream")


def _is_answered(line: dict[str, Any]) -> bool:
    return bool(line["response"]) and line["response"]["status_code"] == 200


def _contents_of(job: Row) -> int:
    return int(json.loads(job["request"]).get("count", 1)) if job["kind"] == "image" else int(job["kind"] == "text")


def _line(vendors: Vendors, job: Row, line: dict[str, Any], contents: list[bytes]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": f"batch_req_{job['id']}",
        "custom_id": line["custom_id"],
        "response": None,
        "error": None,
    }
    created = round(vendors.clock.real(job["done_at"]))
    if line["error"]:
        word = line["error"]["code"].replace("bulk", "batch")
        told["error"] = {
            "code": word,
            "message": "This request could not be executed before the completion window ended.",
        }
        return told
    if not _is_answered(line):
        reply = FAILURES[job["kind"]]()
        told["response"] = {"status_code": reply.status, "request_id": f"req_{job['id']}", "body": reply.body}
        return told
    match job["kind"]:
        case "text":
            body = words.chat(job, contents[0], created)
        case "image":
            body = words.images(job, contents, created)
        case _:
            body = words.moderation(job)
    told["response"] = {"status_code": 200, "request_id": f"req_{job['id']}", "body": body}
    return told


FAILURES = {
    "text": lambda: words.error(500, "The server had an error while processing your request."),
    "image": lambda: words.error(400, "Your request was rejected by the safety system.", code="moderation_blocked"),
    "moderation": lambda: words.error(429, "Rate limit reached.", code="rate_limit_exceeded"),
}


# -- batches ---------------------------------------------------------------------------------------


def create(protocol: OpenAI, vendors: Vendors, asked: Asked) -> Reply:
    said = protocol.said(asked)
    orders.only(said, FIELDS)
    need(said.get("completion_window") == "24h", "Invalid 'completion_window'.", param="completion_window")
    need(said.get("endpoint") in ENDPOINTS, "Invalid 'endpoint'.", param="endpoint")
    metadata = said.get("metadata") or {}
    is_small = len(metadata) <= 16 and all(isinstance(v, str) and len(v) <= 512 for v in metadata.values())
    need(is_small, "Invalid 'metadata'.", param="metadata")
    row = of_id(vendors, asked, str(said.get("input_file_id", "")))
    simpler, trouble = simplified(row["content"], said["endpoint"])
    beside = {"id": f"simpler-{vendors.books.next_number()}", "vendor": asked.vendor, "name": row["name"]}
    kept = {**beside, "content": simpler, "created_at": asked.at}
    vendors.books.saw(vendors.entry(asked), verdict="read", made=[("files", kept)])
    what = {"tag": next(iter(metadata.values()), ""), "told": metadata, "endpoint": said["endpoint"], "file": row["id"]}
    what |= {"trouble": trouble, "model": _model_of(row["content"])}
    reply = bulks.create(vendors, replace(asked, body={"input_file_id": kept["id"], "metadata": what}))
    made = vendors.books.rows("SELECT * FROM bulks WHERE vendor = ? AND input_file = ?", asked.vendor, kept["id"])
    for bulk in made:  # also where nobody hears of it
        _bill(protocol, vendors, bulk)
    if reply.lost:
        return reply
    if reply.status >= 300:
        return protocol.failed(asked, reply.status, "rate limit" if reply.status == 429 else "failed")
    (bulk,) = made
    return Reply(body=told(protocol, vendors, bulk, asked.at))


def _bill(protocol: OpenAI, vendors: Vendors, bulk: Row) -> None:
    """Half of what each line costs by itself; those that will not be answered have no price."""
    for job in vendors.books.rows("SELECT * FROM jobs WHERE bulk = ? AND billed_micro > 0", bulk["id"]):
        micro = protocol.bill_micro(
            vendors, job["vendor"], job["kind"], json.loads(job["request"]), words.units_of(job)
        )
        vendors.books.rows("UPDATE jobs SET billed_micro = ? WHERE id = ?", -(-micro // 2), job["id"])


def _model_of(content: bytes) -> str:
    try:
        return str(json.loads(content.splitlines()[0])["body"]["model"])
    except (ValueError, LookupError, TypeError):
        return ""


def simplified(content: bytes, endpoint: str) -> tuple[bytes, dict[str, Any]]:
    """The lines in the simulator's own words; or what validation finds, with the number of the line."""
    found, ids, names = [], set(), set()
    for number, text in enumerate(content.splitlines(), start=1):
        try:
            line = json.loads(text)
            name, body = line["custom_id"], line["body"]
            good = isinstance(name, str) and line["method"] == "POST" and isinstance(body, dict)
        except (ValueError, LookupError, TypeError):
            good = False
        if not good:
            return b"{", _trouble("invalid_json_line", "This line is not parseable as valid JSON.", number)
        if line["url"] != endpoint:
            return b"{", _trouble("mismatched_url", "The URL of this line does not match the batch endpoint.", number)
        if name in ids:
            return b"{", _trouble("duplicate_custom_id", f"The custom_id '{name}' is used twice.", number)
        ids.add(name)
        names.add(body.get("model"))
        if len(names) > 1:
            return b"{", _trouble("mismatched_model", "All requests of a batch must use the same model.", number)
        try:
            order = READS[KINDS[endpoint]](body)
        except BadBody as why:
            return b"{", _trouble("invalid_request", str(why), number)
        found.append({"custom_id": name, "url": SIMPLER[KINDS[endpoint]], "body": order})
    if not found:
        return b"{", _trouble("empty_file", "The batch input file is empty.", None)
    return b"".join(json.dumps(line).encode() + b"\n" for line in found), {}


def _trouble(code: str, message: str, line: int | None) -> dict[str, Any]:
    return {"code": code, "message": message, "param": None, "line": line}


def told(protocol: OpenAI, vendors: Vendors, bulk: Row, now: float) -> dict[str, Any]:
    said, what = bulks.told(vendors, bulk, now), json.loads(bulk["metadata"])
    word, rest = said["status"], bulk["id"].removeprefix("bulk-")
    account = vendors.behaviour.of(protocol.slug)["account"]
    errors = None
    if word == "failed":
        trouble = what["trouble"] or _trouble(bulk["problem"], f"{bulk['problem'].replace('_', ' ')}.", None)
        errors = {"object": "list", "data": [trouble]}
    ended = word in ("completed", "expired", "cancelled")
    files = {
        role: f"file-{role}-{rest}" if ended and lines.has_file(vendors, bulk, role) else None
        for role in ("output", "error")
    }
    if ended and files["error"] is None and account.get("empty_error_file"):
        files["error"] = ""
    return {
        "id": f"batch_{rest}",
        "object": "batch",
        "endpoint": what["endpoint"],
        "model": what["model"],
        "errors": errors,
        "input_file_id": what["file"],
        "completion_window": "24h",
        "status": word,
        "output_file_id": files["output"],
        "error_file_id": files["error"],
        "created_at": round(said["created_at"]),
        **_moments(vendors, bulk, word, now),
        "request_counts": said["request_counts"] if word != "validating" else dict.fromkeys(said["request_counts"], 0),
        "metadata": what["told"],
    }


def _moments(vendors: Vendors, bulk: Row, word: str, now: float) -> dict[str, int | None]:
    """null until they come."""

    def past(moment: float | None) -> int | None:
        return round(vendors.clock.real(moment)) if moment is not None and moment <= now else None

    validated = bulk["validated_at"] <= now and not bulk["problem"]
    cancelled = bulk["cancelled_at"]
    return {
        "in_progress_at": past(bulk["validated_at"]) if validated else None,
        "expires_at": round(vendors.clock.real(min(bulk["expires_at"], 1e12))) if validated else None,
        "finalizing_at": past(bulk["works_until"]) if word in ("finalizing", "completed") else None,
        "completed_at": past(bulk["done_at"]) if word == "completed" else None,
        "failed_at": past(bulk["validated_at"]) if word == "failed" else None,
        "expired_at": past(bulk["expires_at"]) if word == "expired" else None,
        "cancelling_at": past(now) if word == "cancelling" else None,
        "cancelled_at": past(cancelled) if word == "cancelled" else None,
    }


def look(protocol: OpenAI, vendors: Vendors, asked: Asked, batch_id: str) -> Reply:
    bulks.look(vendors, asked, _inner(batch_id))
    return Reply(body=told(protocol, vendors, _known(vendors, asked, batch_id), asked.at))


def cancel(protocol: OpenAI, vendors: Vendors, asked: Asked, batch_id: str) -> Reply:
    bulk = _known(vendors, asked, batch_id)
    if bulks.cancel(vendors, asked, bulk["id"]).status >= 300:
        raise Wrong("Cannot cancel a batch that is over.", status=409)
    return Reply(body=told(protocol, vendors, _known(vendors, asked, batch_id), asked.at))


def listing(protocol: OpenAI, vendors: Vendors, asked: Asked, fault: str) -> Reply:
    """The newest first."""
    vendors.books.saw(vendors.entry(asked), verdict="looked")
    size = max(1, min(int(asked.query.get("limit") or 20), 100))
    lag_s = vendors.behaviour.of(asked.vendor)["list_lag_s"]
    before = 2**60
    if after := asked.query.get("after"):
        _known(vendors, asked, after)
        before = vendors.books.rows("SELECT rowid FROM bulks WHERE id = ?", _inner(after))[0]["rowid"]
    sql = "SELECT * FROM bulks WHERE vendor = ? AND accepted_at <= ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
    found = vendors.books.rows(sql, asked.vendor, asked.at - lag_s, before, size + 1)
    page = [told(protocol, vendors, bulk, asked.at) for bulk in found[:size]]
    page = page[1:] if fault == "list_miss" else page
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return Reply(body={"object": "list", "data": page, **ends, "has_more": len(found) > size})


def _inner(batch_id: str) -> str:
    return f"bulk-{batch_id.removeprefix('batch_')}"


def _known(vendors: Vendors, asked: Asked, batch_id: str) -> Row:
    bulk = vendors.books.bulk(asked.vendor, _inner(batch_id))
    if bulk is None:
        raise Wrong(f"No batch found with id '{batch_id}'.", status=404)
    return bulk


def trouble_on_the_way(protocol: OpenAI, vendors: Vendors, asked: Asked) -> tuple[Reply | None, str]:
    """(what came instead of an answer, the fault)."""
    fault = vendors.behaviour.get_fault(asked.vendor) if asked.method == "GET" else ""
    return looks.failed(vendors, asked, fault, protocol), fault
