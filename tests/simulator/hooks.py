"""Webhooks: which are due for a job, what is in them, and the faults on their way.

Signed as https://www.standardwebhooks.com says: webhook-id, webhook-timestamp, webhook-signature "v1,<base64>" over
"<id>.<timestamp>.<body>". The body is the job as GET /v1/jobs/<id> tells it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .books import Row

if TYPE_CHECKING:
    from .vendor import Vendors

NEVER = 1e18
Signs = Callable[[str, str, str, float], dict[str, str]]  # (id, body, secret, real time) -> headers
FAULTS = {"lost", "doubled", "reversed", "forged", "replayed", "late", "huge", "unknown_job", "unsigned"}
EXTRA = {"forged", "huge", "unknown_job", "unsigned"}  # come beside the true one
BASE = {"accepted": "accepted_at", "running": "starts_at", "over": "done_at"}


def may_be_called(url: str) -> bool:
    """Only what runs on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")


def planned(vendors: Vendors, job: Row) -> list[Row]:
    """A line for each delivery that a job will cause, those that get lost included."""
    settings = vendors.behaviour.of(job["vendor"])
    rows = []
    for event in ["running", "over"] if settings["hook_events"] == "all" else ["over"]:
        luck = random.Random(f"{job['id']}:{event}")
        fault = vendors.behaviour.fault("hook", job["vendor"], luck)
        rows += _rows_of(job, event, fault, luck, settings)
    return rows


def _rows_of(job: Row, event: str, fault: str, luck: random.Random, settings: dict[str, Any]) -> list[Row]:
    message = f"msg_{luck.getrandbits(64):016x}"
    after_s = luck.uniform(*settings["hook_delay_s"]) + (settings["slow_s"] if fault == "late" else 0.0)
    true = {"vendor": job["vendor"], "job": job["id"], "message": message, "event": event, "fault": fault, "try": 1}
    rows = [{**true, "after_s": after_s, "fault": "" if fault in EXTRA else fault}]
    match fault:
        case "doubled":
            rows += [{**rows[0]} for _ in range(settings["doubles"] - 1)]
        case "replayed":
            rows += [{**rows[0], "after_s": after_s + settings["replay_s"]}]
        case "huge" | "unknown_job" | "unsigned" | "forged":
            takes_s = (job["done_at"] or job["accepted_at"]) - job["accepted_at"]
            extra = {"event": "accepted", "message": f"{message}x", "after_s": luck.uniform(0, takes_s)}
            rows += [{**true, **extra}]
    return rows


def due_at(delivery: Row, job: Row) -> float:
    if delivery["event"] == "over" and job["cancelled_at"] is not None:
        return float(job["cancelled_at"])
    base = job[BASE[delivery["event"]]]
    return NEVER if base is None else float(base) + delivery["after_s"]


def false_word(delivery: Row, told: dict[str, Any], base: str) -> dict[str, Any]:
    """What a liar, or a muddled vendor, says of a job."""
    match delivery["fault"]:
        case "forged" | "unsigned":
            output = [{"url": f"{base}/files/forged-{told['id']}.png", "media_type": "image/png"}]
            return {**told, "status": "succeeded", "output": output}
        case "unknown_job":
            return {**told, "id": f"nobody-{delivery['message']}", "status": "succeeded"}
        case "huge":
            return {**told, "padding": "x" * 2**20}
    return told


def signed(delivery: Row, body: str, *, secret: str, at: float) -> dict[str, str]:
    """The headers; `at` in real seconds."""
    if delivery["fault"] == "unsigned":
        return {"Content-Type": "application/json"}
    if delivery["fault"] == "forged":
        secret = "whsec_" + base64.b64encode(b"a key of somebody else's").decode()
    stamp = str(int(at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{delivery['message']}.{stamp}.{body}".encode()
    signature = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": delivery["message"],
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{signature}",
    }


def content(delivery: Row, told: dict[str, Any], *, base: str, secret: str, at: float) -> str:
    """Headers and body as they go over the wire, to be kept for when they are sent a second time."""
    body = json.dumps(false_word(delivery, told, base))
    return json.dumps([signed(delivery, body, secret=secret, at=at), body])


def foreign_content(delivery: Row, told: dict[str, Any], signs: Signs, *, secret: str, at: float) -> str:
    """The same in another protocol: `told` is what its vendor says, `signs` what it signs with."""
    if delivery["fault"] == "huge":
        told = {**told, "padding": "x" * 2**20}
    if delivery["fault"] == "unknown_job":
        told = json.loads(json.dumps(told).replace(delivery["job"], f"nobody-{delivery['message']}"))
    body = json.dumps(told)
    wrong = "whsec_" + base64.b64encode(b"a key of somebody else's").decode()
    headers = {"Content-Type": "application/json"}
    if delivery["fault"] != "unsigned":
        headers |= signs(delivery["message"], body, wrong if delivery["fault"] == "forged" else secret, at)
    return json.dumps([headers, body])


def standard(message: str, body: str, secret: str, at: float) -> dict[str, str]:
    """The headers of Standard Webhooks."""
    return signed({"fault": "", "message": message}, body, secret=secret, at=at)
