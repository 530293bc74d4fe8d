from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from ...answers import Said
from ...base import Adapter, HttpAnswer
from ...exceptions import CallError, Rejected, Unknown
from ...file_types import HEAD_BYTES, sniff
from ...types import (
    CALLS_AT_ONCE,
    Capability,
    Failed,
    Finished,
    JobState,
    Output,
    Recovery,
    RemoteJob,
    Request,
    Running,
    VendorLimit,
)
from . import errors
from .offers import DIRECTED, NAMES_A_LANGUAGE, OFFERS, VOICES_END, credits_for, voice_of
from .words import captions

USUAL_FORMAT = "mp3_44100_128"
FORMATS = re.compile(r"(mp3|wav|opus)_\d+(_\d+)?")  # pcm, ulaw and alaw are bare samples: no file that can be kept
COSTS = ("character-cost", "x-character-count")  # as documents of 2025 and of 2026 name it
AT_ONCE = ("maximum-concurrent-requests", "current-concurrent-requests")
PAGE, MOST_PAGES = 1000, 50
STATES = {"created": JobState.FINISHED, "processing": JobState.RUNNING, "deleted": JobState.FAILED}


class ElevenLabs(Adapter):
    slug = "elevenlabs"
    label = "ElevenLabs"
    base_url = "https://api.elevenlabs.io"
    key_env = "ELEVENLABS_API_KEY"
    capabilities = frozenset({Capability.VOICEOVER})
    offers = OFFERS
    voices_end = VOICES_END
    recovery: ClassVar = {Capability.VOICEOVER: Recovery.LISTABLE}
    tagged = False
    deadline_s: ClassVar = {Capability.VOICEOVER: 240.0}  # as long as its own client waits
    list_lag_s = 240.0  # what is still being made when its answer is lost comes into the history when it is done
    usual_s: ClassVar = {Capability.VOICEOVER: (1.0, 20.0)}
    least_poll_s = 5.0
    where_to_look = "https://elevenlabs.io/app → History"

    def headers(self) -> dict[str, str]:
        return {"xi-api-key": self.key}

    @classmethod
    def most_units(cls, request: Request) -> dict[str, int]:
        return {**super().most_units(request), "credits": credits_for(request)}

    def submit(self, request: Request) -> Finished:
        """Its id is the one of the request, as the answer and the history both name it."""
        if not request.prompt.strip():
            raise Rejected("There is nothing to say in this narration.")
        answer = self.send(
            "POST",
            f"/v1/text-to-speech/{quote(voice_of(request), safe='')}/with-timestamps",
            params={"output_format": self._format(request)},
            json=_body(request),
            timeout_s=self.deadline_of(request.capability),
            paid=True,
        )
        said = answer.said(self.label)
        try:
            sound = base64.b64decode(said.text("audio_base64"), validate=True)
        except ValueError:
            raise Unknown("ElevenLabs answered with a sound that cannot be read.") from None
        beside = _captions(said, request.prompt, request.offer)
        return Finished(
            outputs=(_sound(sound), *beside),
            units={"characters": len(request.prompt), "credits": _cost(answer.headers, credits_for(request))},
            external_id=_header(answer.headers, "request-id")[:100],
        )

    def _format(self, request: Request) -> str:
        form = str(request.own.get("output_format") or self.options.get("output_format") or USUAL_FORMAT)
        if not FORMATS.fullmatch(form):
            raise Rejected(f"A voice as “{form[:40]}” cannot be kept here. Choose one of mp3, wav or opus.")
        return form

    # -- what was made already -------------------------------------------------------------------

    def poll(self, external_id: str) -> Running | Finished | Failed:
        """A voice whose answer was lost. No call takes the id of its request, so the history is looked through."""
        item = next((item for item in self._history() if _id(item) == external_id), None)
        if item is None:
            raise Unknown("ElevenLabs does not show this voice in its history.")
        state, units = item.text("state"), _units(item)
        if state == "deleted":
            return Failed(reason="The voice was deleted in ElevenLabs' history.", billed=True, units=units)
        if state != "created":
            return Running(unknown_status="" if state in STATES else state)
        sound = self.send("GET", f"/v1/history/{quote(item.text('history_item_id'), safe='')}/audio").content
        text, model = item.text("text", default=""), item.text("model_id", default="")
        return Finished(outputs=(_sound(sound), *_captions(item, text, model, "alignments")), units=units)

    def list_jobs(self, since: datetime, until: datetime) -> list[RemoteJob]:
        found = []
        between = {"date_after_unix": int(since.timestamp()), "date_before_unix": int(until.timestamp()) + 1}
        for item in self._history(**between):
            made_at = _made_at(item)
            if made_at < since - timedelta(seconds=1):  # it tells whole seconds, and the newest first
                break
            if made_at <= until:
                found.append(_listed(item, made_at))
        return sorted(found, key=lambda job: (job.created_at, job.external_id))

    @classmethod
    def fingerprint_of(cls, request: Request) -> str:
        body = _body(request)
        return _fingerprint(voice_of(request), str(body["model_id"]), str(body["text"]))

    def _history(self, **between: int) -> Iterator[Said]:
        """The newest first. Raises Unknown where it has no end: half of it proves nothing."""
        query: dict[str, Any] = {"page_size": PAGE, "source": "TTS", **between}
        for _ in range(MOST_PAGES):
            page = self.read("GET", "/v1/history", params=query)
            items = list(page.items("history"))
            yield from items
            if not page.flag("has_more"):
                return
            if not items:
                raise page.unusable("the items it has")
            query["start_after_history_item_id"] = items[-1].text("history_item_id")
        raise Unknown("ElevenLabs' history is longer than can be looked through.")

    # -- the account -----------------------------------------------------------------------------

    def account(self) -> str:
        left = self.remaining()
        if left is None:
            return "Credits have no end: what is beyond the plan's own is billed."
        return f"{left:,} credits are left until the plan's next month. The key may have a smaller limit of its own."

    def remaining(self) -> int | None:
        """Credits, with those beyond the plan's own that may be billed; None: as many as one likes."""
        plan = self.read("GET", "/v1/user/subscription")
        left = max(0, plan.whole("character_limit") - plan.whole("character_count"))
        if plan.text("max_credit_limit_extension", default="0") == "unlimited":
            return None
        return left + plan.whole("max_credit_limit_extension", default=0)

    def limits_in(self, headers: Mapping[str, str]) -> tuple[tuple[VendorLimit, ...], str]:
        """Beside the usual ones: how many calls the plan allows at once, and how many there were."""
        told, nonsense = super().limits_in(headers)
        said = {name: _header(headers, name) for name in AT_ONCE}
        numbers = {name: int(text) for name, text in said.items() if re.fullmatch(r"[0-9]{1,6}", text)}
        wrong = next((f"{name}: {text}" for name, text in said.items() if text and name not in numbers), "")
        most, now = (numbers.get(name) for name in AT_ONCE)
        if most:
            left = None if now is None else max(0, most - now)
            told = (*told, VendorLimit(unit=CALLS_AT_ONCE, limit=most, remaining=left))
        return told, nonsense or wrong[:200]

    def error_of(self, response: HttpAnswer) -> CallError:
        return errors.named(response) or super().error_of(response)


def _body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {"text": request.prompt, "model_id": request.offer, "seed": request.seed % 2**32}
    language = request.language.replace("_", "-").split("-")[0].lower()
    if request.offer in NAMES_A_LANGUAGE and len(language) == 2:
        body["language_code"] = language
    if not request.offer.startswith(DIRECTED):
        around = {name: request.extra.get(name) for name in ("previous_text", "next_text")}
        body |= {name: str(text) for name, text in around.items() if text}
    return body | {name: value for name, value in request.own.items() if name != "output_format"}


def _captions(said: Said, text: str, model: str, *path: str) -> tuple[Output, ...]:
    """Those of the text as it was sent: in the other alignment numbers and the like are spelt out."""
    try:
        alignment = said.part(*path, "alignment")
    except Unknown:  # it may be null
        return ()
    return captions(alignment, text, has_directions=model.startswith(DIRECTED))


def _sound(content: bytes) -> Output:
    media_type = sniff(content[:HEAD_BYTES], declared="audio/mpeg")
    if not media_type.startswith("audio/"):
        shown = content[:200].decode("utf-8", "replace")
        raise Unknown("ElevenLabs answered with something that is no sound.", detail=shown)
    return Output(content=content, media_type=media_type)


def _cost(headers: Mapping[str, str], usual: int) -> int:
    told = (_header(headers, name) for name in COSTS)
    return next((int(text) for text in told if re.fullmatch(r"[0-9]{1,9}", text)), usual)


def _header(headers: Mapping[str, str], wanted: str) -> str:
    return next((value.strip() for name, value in headers.items() if name.lower() == wanted), "")


# -- items of the history --------------------------------------------------------------------------


def _id(item: Said) -> str:
    """Made by hand in its own pages, it may come from no request."""
    return item.text("request_id", default="") or item.text("history_item_id")


def _made_at(item: Said) -> datetime:
    try:
        return datetime.fromtimestamp(item.whole("date_unix"), UTC)
    except (ValueError, OverflowError, OSError):
        raise item.unusable("a date") from None


def _units(item: Said) -> dict[str, int]:
    """What the counter of credits rose by. It begins anew each month."""
    rise = item.number("character_count_change_to", default=0) - item.number("character_count_change_from", default=0)
    return {"credits": round(rise)} if rise > 0 else {}


def _listed(item: Said, made_at: datetime) -> RemoteJob:
    voice, model, text = (item.text(name, default="") for name in ("voice_id", "model_id", "text"))
    return RemoteJob(
        external_id=_id(item),
        created_at=made_at,
        state=STATES.get(item.text("state"), JobState.RUNNING),
        fingerprint=_fingerprint(voice, model, text),
        units=_units(item),
        capability=Capability.VOICEOVER,
    )


def _fingerprint(voice: str, model: str, text: str) -> str:
    """Spaces aside, which a vendor may tidy up."""
    return hashlib.sha256(json.dumps([voice, model, " ".join(text.split())]).encode()).hexdigest()
