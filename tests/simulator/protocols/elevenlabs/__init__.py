"""ElevenLabs' interface: voices at once, with a time for each letter, and a history of what was made.

`account`: `tier`, `used` and `limit` of its credits; `beyond` (a number, or "unlimited"); `queue`: so many more calls
than the plan allows are taken all the same, and one more is refused only after a while; `busy`: all are refused. What
it says: `aligns` (false: null), `errors` ("new", "old"), `cost_header` ("": none), `voices`: ids that it knows besides.
"""

from __future__ import annotations

import base64
import random
import string
from typing import TYPE_CHECKING, Any

from ... import media
from ...books import Row
from ...manner import request_of
from ...replies import Asked, Reply
from ..base import BadBody, Protocol
from . import orders, words
from .known import CREDIT_MICRO, MODELS, VOICES, credits_of, group_of, most_at_once
from .orders import Trouble

if TYPE_CHECKING:
    from ...vendor import Vendors

ID_LIFE_S = 7200.0
QUEUE_S = 0.05  # real ones
ACCOUNT = {
    "tier": "starter",
    "used": 0,
    "limit": 1_000_000,
    "beyond": 0,
    "queue": 0,
    "busy": False,
    "aligns": True,
    "errors": "new",
    "cost_header": "character-cost",
    "voices": [],
}


class ElevenLabs(Protocol):
    slug = "elevenlabs"
    settings = {"latency_s": [1, 6], "retry_after": "none", "account": ACCOUNT}

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        try:
            reply = self._answer(vendors, asked)
        except BadBody as said:
            trouble = said if isinstance(said, Trouble) else Trouble(422, "", str(said))
            vendors.books.saw(vendors.entry(asked), verdict=trouble.verdict)
            account = self._account(vendors)
            reply = words.refusal(trouble, vendors.books.next_number(), old=account["errors"] == "old")
            if trouble.code == "concurrent_limit_exceeded" and account["queue"]:
                reply.at = asked.at + QUEUE_S * vendors.clock.scale
        if reply.status >= 400:
            reply.headers |= {"x-trace-id": f"{vendors.books.next_number():032x}", "x-region": "us-central1"}
        return reply

    def _account(self, vendors: Vendors) -> dict[str, Any]:
        return {**ACCOUNT, **vendors.behaviour.of(self.slug)["account"]}

    def _answer(self, vendors: Vendors, asked: Asked) -> Reply:
        key = asked.headers.get("xi-api-key", "")
        if not key:
            raise Trouble(401, "needs_authorization", "Neither authorization header nor xi-api-key received.")
        if "bad" in key:
            raise Trouble(401, "unauthorized", "Invalid API key")
        match asked.method, asked.path:
            case "POST", ("v1", "text-to-speech", voice, *rest) if rest in ([], ["with-timestamps"]):
                return self._speak(vendors, asked, voice)
            case "GET", path:
                trouble = self.see(vendors, asked)
                return trouble if isinstance(trouble, Reply) else self._show(vendors, asked, path)
        raise Trouble(404, "", "Not Found")

    def _show(self, vendors: Vendors, asked: Asked, path: tuple[str, ...]) -> Reply:
        match path:
            case ("v1", "user", "subscription"):
                tomorrow = int(vendors.clock.real(vendors.clock.now())) + 86_400
                told = words.subscription(self._account(vendors), used=self._used(vendors), resets_at=tomorrow)
                return Reply(body=told)
            case ("v1", "models"):
                return Reply(body=[words.model(name) for name in MODELS])
            case ("v2", "voices"):
                return Reply(body=_voices(asked))
            case ("v1", "voices", voice) if voice in VOICES:
                return Reply(body=words.voice(voice))
            case ("v1", "history"):
                return Reply(body=self._history(vendors, asked))
            case ("v1", "history", item, *rest) if rest in ([], ["audio"]):
                job = vendors.books.job(self.slug, item)
                if job is None or not _is_made(vendors, job, asked.at):
                    raise Trouble(400, "invalid_id", f"A history item with ID '{item}' was not found on the server.")
                if rest:
                    return Reply(content=job, media_type=media.type_of(job)[0])
                return Reply(body=self._item(vendors, job))
        raise Trouble(404, "", "Not Found")

    # -- a voice ---------------------------------------------------------------------------------

    def _speak(self, vendors: Vendors, asked: Asked, voice: str) -> Reply:
        account, said = self._account(vendors), self.said(asked)
        order = orders.voice(said, asked.query.get("output_format", "mp3_44100_128"))
        orders.check_plan(account, order["output_format"], voice)
        for name in ("previous_request_ids", "next_request_ids"):
            for one in said.get(name, []):
                self._check_stitch(vendors, asked, name, str(one))
        self._check_credits(vendors, account, credits_of(order["prompt"], order["model"]))
        if account["busy"]:
            raise Trouble(429, "system_busy", "We are currently busy. Please try again later.", verdict="429 busy")
        most = most_at_once(account["tier"], order["model"])
        if len(self._living(vendors, asked.at, order["model"])) >= most + account["queue"]:
            why = (
                "Too many concurrent requests. Your current subscription is associated with a maximum of "
                f"{most} concurrent requests (running in parallel)."
            )
            raise Trouble(429, "concurrent_limit_exceeded", why, verdict="429 concurrency")
        return self.take(vendors, asked, "speech", {**order, "voice": voice}, waits=True)

    def _check_stitch(self, vendors: Vendors, asked: Asked, name: str, one: str) -> None:
        job = vendors.books.job(self.slug, words.request_id(one))
        if job is None or not _is_made(vendors, job, asked.at) or asked.at > job["done_at"] + ID_LIFE_S:
            raise Trouble(400, "invalid_parameters", f"The request {one} is not known, or too old.", name)

    def _check_credits(self, vendors: Vendors, account: dict[str, Any], need: int) -> None:
        left = account["limit"] - self._used(vendors)
        if account["beyond"] == "unlimited" or need <= left + account["beyond"]:
            return
        why = f"This request exceeds your quota of {account['limit']}. You have {left} credits remaining, "
        raise Trouble(401, "quota_exceeded", f"{why}while {need} credits are required for this request.")

    def _living(self, vendors: Vendors, now: float, model: str) -> list[Row]:
        living = vendors.books.living(self.slug, now)
        return [job for job in living if group_of(request_of(job)["model"]) == group_of(model)]

    def _used(self, vendors: Vendors, before: Row | None = None) -> int:
        """Credits; those that went before a job, or all."""
        sql = "SELECT ifnull(sum(billed_micro), 0) AS micro FROM jobs WHERE vendor = ?"
        if before:
            rows = vendors.books.rows(
                f"{sql} AND rowid < (SELECT rowid FROM jobs WHERE id = ?)", self.slug, before["id"]
            )
        else:
            rows = vendors.books.rows(sql, self.slug)
        return int(self._account(vendors)["used"]) + int(rows[0]["micro"]) // CREDIT_MICRO

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        return credits_of(body["prompt"], body["model"]) * CREDIT_MICRO

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        """That of the item in the history."""
        return "".join(chance.choices(string.ascii_letters + string.digits, k=20))

    def finished(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        account, model = self._account(vendors), request_of(job)["model"]
        reply = Reply(made=[(job, 0)], shape=lambda contents: contents[0], media_type=media.type_of(job)[0])
        if asked.path[-1] == "with-timestamps":
            aligned = self._aligned(vendors, job)
            reply.shape = lambda contents: {"audio_base64": base64.b64encode(contents[0]).decode(), **aligned}
            reply.media_type = "application/json"
        reply.headers = {
            "request-id": words.request_id(job["id"]),
            "history-item-id": job["id"],
            "current-concurrent-requests": str(len(self._living(vendors, asked.at, model))),
            "maximum-concurrent-requests": str(most_at_once(account["tier"], model)),
        }
        if account["cost_header"]:
            reply.headers[account["cost_header"]] = str(job["billed_micro"] // CREDIT_MICRO)
        return reply

    def _aligned(self, vendors: Vendors, job: Row) -> dict[str, Any]:
        order = request_of(job)
        if not self._account(vendors)["aligns"]:
            return {"alignment": None, "normalized_alignment": None}
        is_tiny = vendors.behaviour.of(self.slug)["media"] == "tiny"
        seconds = float(media.TINY["seconds"]) if is_tiny else media.speech_s(order)
        if order["format"] == "mp3":
            seconds = round(seconds, 1)
        text = order["prompt"]
        spoken = words.normalized(text) if order["normalizes"] else text
        return {
            "alignment": words.alignment(text, seconds),
            "normalized_alignment": words.alignment(spoken, seconds),
        }

    # -- what was made ---------------------------------------------------------------------------

    def _history(self, vendors: Vendors, asked: Asked) -> dict[str, Any]:
        query, settings = asked.query, vendors.behaviour.of(self.slug)
        size = query.get("page_size", "100")
        if not size.isdigit() or not 1 <= int(size) <= 1000:
            raise Trouble(422, "", "ensure this value is less than or equal to 1000", "page_size")
        if "model_id" in query and "source" not in query:
            raise Trouble(422, "", "source is required with model_id", "source")
        sql = "SELECT * FROM jobs WHERE vendor = ? AND done_at <= ? ORDER BY done_at DESC, rowid DESC"
        rows = vendors.books.rows(sql, self.slug, asked.at - settings["list_lag_s"])
        jobs = [job for job in rows if _is_made(vendors, job, asked.at) and _is_meant(vendors, job, query)]
        if query.get("sort_direction") == "asc":
            jobs.reverse()
        ids = [job["id"] for job in jobs]
        after = query.get("start_after_history_item_id", "")
        start = ids.index(after) + 1 if after in ids else 0
        shown = jobs[start : start + min(int(size), settings["page_size"])]
        return {
            "history": [self._item(vendors, job) for job in shown],
            "has_more": start + len(shown) < len(jobs),
            "last_history_item_id": shown[-1]["id"] if shown else None,
        }

    def _item(self, vendors: Vendors, job: Row) -> dict[str, Any]:
        told = words.item(
            job,
            request_of(job),
            made_at=_made_at(vendors, job),
            counter=self._used(vendors, before=job),
            credits=job["billed_micro"] // CREDIT_MICRO,
            media_type=media.type_of(job)[0],
        )
        return {**told, "alignments": self._aligned(vendors, job) if self._account(vendors)["aligns"] else None}

    # -- words -----------------------------------------------------------------------------------

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        codes = {400: "invalid_parameters", 401: "unauthorized", 402: "insufficient_credits"}
        codes[429] = "rate_limit_exceeded"
        if status not in codes:
            return Reply(status=status, body={"detail": "Internal Server Error"})
        return words.refusal(Trouble(status, codes[status], why), 0, old=False)

    def refused(self, vendors: Vendors, asked: Asked, refusal: Any) -> Reply:
        return self.failed(asked, 429, "You have sent too many requests.")

    def declined(self, asked: Asked, why: str) -> Reply:
        """It documents no moderation: what it does not make has failed."""
        return self.failed(asked, 500, why)


def _is_made(vendors: Vendors, job: Row, now: float) -> bool:
    return vendors.status(job, now) == "succeeded"


def _made_at(vendors: Vendors, job: Row) -> int:
    return int(vendors.clock.real(job["done_at"]))


def _is_meant(vendors: Vendors, job: Row, query: dict[str, str]) -> bool:
    order = request_of(job)
    return (
        query.get("source", "TTS") == "TTS"
        and query.get("voice_id", order["voice"]) == order["voice"]
        and query.get("model_id", order["model"]) == order["model"]
        and query.get("search", "").lower() in order["prompt"].lower()
        and float(query.get("date_after_unix", 0))
        <= _made_at(vendors, job)
        < float(query.get("date_before_unix", 1e18))
    )


def _voices(asked: Asked) -> dict[str, Any]:
    """Ten at a time, unless more are asked for."""
    size, start = int(asked.query.get("page_size", 10)), int(asked.query.get("next_page_token", 0))
    shown = list(VOICES)[start : start + size]
    more = start + len(shown) < len(VOICES)
    return {
        "voices": [words.voice(voice) for voice in shown],
        "has_more": more,
        "total_count": len(VOICES),
        "next_page_token": str(start + len(shown)) if more else None,
    }
