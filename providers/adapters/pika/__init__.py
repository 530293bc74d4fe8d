"""Pika, as fal.ai serves it: a still picture to a clip. A queue that is polled, and that calls back when it can.

https://fal.ai/docs/documentation/model-apis/inference/queue, …/inference/webhooks, /request-errors, /errors and
/concurrency-limits; https://fal.ai/models/fal-ai/pika/v2.2/image-to-video/llms.txt (read 2026-05 to 2026-09)
There is no idempotency key. Whether the listing of requests shows those that are not over yet is not said, so a lost
answer counts as lost (BLIND). The address that is called back is one of each attempt's own: a call that comes to it
proves that the job was taken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from ... import webhook_signatures
from ...answers import Said
from ...base import Adapter, HttpAnswer
from ...exceptions import BadSignature, CallError, OutOfCredit, Rejected, Unknown
from ...offer_spec import OfferSpec
from ...pictures import data_uri, picture_of
from ...types import Accepted, Capability, Failed, Finished, Output, Request, Running, WebhookSaid
from .published_keys import PublishedKeys, is_signed
from .reasons import MODERATED, kinds_in, reason_for

V2_2, V2_1, V2_TURBO = (f"fal-ai/pika/{version}/image-to-video" for version in ("v2.2", "v2.1", "v2/turbo"))
REQUESTS = "/fal-ai/pika/requests"  # below the first two parts of a model's id, whichever model it was
# Of five seconds. v2.2 is sold by resolution; the price of ten seconds is not printed and taken to be twice as much.
CENTS = {V2_2: {"720p": 20, "1080p": 45}, V2_1: {"720p": 40, "1080p": 40}, V2_TURBO: {"720p": 20, "1080p": 20}}
LETTERS_OF_PICTURE = 4 * 2**20  # of a data URI: "small files", without a number
NOT_OF_THE_JOB = (401, 402, 403, 404, 405, 408, 429)  # where a result is asked for: about the question


def _offer(name: str, label: str, lengths: tuple[int, ...], tier: str) -> OfferSpec:
    """Without sizes: a clip has the ratio of its picture, at 720p or 1080p."""
    return OfferSpec(capability=Capability.CLIP, name=name, label=label, lengths=lengths, takes_image=True, tier=tier)


class Pika(Adapter):
    slug = "pika"
    label = "Pika (fal.ai)"
    base_url = "https://queue.fal.run"
    key_env = "FAL_KEY"
    capabilities = frozenset({Capability.CLIP})
    offers = (
        _offer(V2_2, "Pika 2.2", (5, 10), "hero"),
        _offer(V2_1, "Pika 2.1", (5,), "standard"),
        _offer(V2_TURBO, "Pika 2 Turbo", (5,), "draft"),
    )
    queues_ahead = 1  # what is too many waits IN_QUEUE, and is neither refused nor dropped
    calls_back = True
    signs_publicly = True
    usual_s: ClassVar = {Capability.CLIP: (30.0, 180.0)}
    where_to_look = "https://fal.ai/dashboard"
    output_hosts = (".fal.media",)

    keys_host: ClassVar[str] = "https://rest.fal.ai"
    published: ClassVar[PublishedKeys] = PublishedKeys()

    refused: HttpAnswer | None = None  # the last answer that was an error

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Key {self.key}"} if self.key else {}

    @classmethod
    def most_units(cls, request: Request) -> dict[str, int]:
        resolution, seconds = _terms(request)
        cents = CENTS.get(request.offer, CENTS[V2_2])
        return {"seconds": seconds, "cents": cents.get(resolution, max(cents.values())) * ceil(seconds / 5)}

    def submit(self, request: Request) -> Accepted:
        picture = picture_of(request)
        if picture is None:
            raise Rejected("Pika makes clips from a picture here, and there is none.")
        resolution, seconds = _terms(request)
        body: dict[str, Any] = {
            "prompt": request.prompt,
            "image_url": data_uri(picture, LETTERS_OF_PICTURE),
            "resolution": resolution,
            "duration": seconds,
            "seed": request.seed % 2**31,
            **request.own,
        }
        taken = self.read(
            "POST",
            f"/{request.offer}",
            params={"fal_webhook": request.callback_url} if request.callback_url else None,
            json=body,
            paid=True,
            timeout_s=self.deadline_of(request.capability),
        )
        return Accepted(external_id=self._path(taken.text("status_url")))

    def poll(self, external_id: str) -> Running | Finished | Failed:
        place = _status_of(external_id)
        told = self.read("GET", place)
        match told.text("status"):
            case "IN_QUEUE" | "IN_PROGRESS":
                return Running()
            case "COMPLETED":
                return self._ended(place, told)
            case word:
                return Running(unknown_status=word)

    def cancel(self, external_id: str) -> None:
        """One that is worked on may still finish, and be billed."""
        self.send("PUT", _status_of(external_id).removesuffix("/status") + "/cancel")

    def _path(self, address: str) -> str:
        """An address that fal gave, without our base URL."""
        if not address.startswith(("http://", "https://")):
            raise Unknown(f"{self.label} gave no address to ask at.", detail=address)
        return self.address(address).removeprefix(self.url)

    def _ended(self, place: str, told: Said) -> Finished | Failed:
        """COMPLETED is said of failures, too; then the result is what the model says of it, with its own status."""
        where = told.text("response_url", default="")
        has_failed = told.value.get("error") or told.value.get("error_type")
        try:
            answer = self.send("GET", self._path(where) if where else place.removesuffix("/status"))
        except CallError:
            answer = self.refused or HttpAnswer(0, {}, b"")
            is_forgotten = has_failed and answer.status_code == 404
            if not is_forgotten and not self._is_verdict(answer):
                raise
            has_failed = True
        result, charged = answer.said(self.label), _charged(answer)
        if answer.status_code < 300 and not result.value:
            raise result.unusable("a result")
        if not has_failed:
            clip = Output(url=result.text("video", "url"), media_type="video/mp4")
            return Finished(outputs=(clip,), units={"cents": 0} if charged == 0 else {})
        kinds = kinds_in(result.value) + kinds_in(told.value)
        return Failed(
            reason=reason_for(kinds, result.value, told.value),
            moderated=MODERATED in kinds,
            billed=charged is not None and charged > 0,
        )

    def _is_verdict(self, answer: HttpAnswer) -> bool:
        """Whether the model says it, of the job; a page of a proxy does not."""
        said = answer.said(self.label)
        return answer.status_code not in NOT_OF_THE_JOB and (said.has("detail") or said.has("error_type"))

    def error_of(self, response: HttpAnswer) -> CallError:
        self.refused = response
        status, detail, said = response.status_code, response.detail, response.said(self.label)
        kinds = kinds_in(said.value)
        if status < 500 and MODERATED in kinds:
            return Rejected(reason_for(kinds), moderated=True, detail=detail, http_status=status)
        # A locked account is said to be answered with 402 or 403; neither is documented.
        if status in (402, 403) and any(word in response.text.lower() for word in ("balance", "locked", "credit")):
            return OutOfCredit("fal.ai says the account's balance is used up.", detail=detail, http_status=status)
        return super().error_of(response)

    # -- webhooks --------------------------------------------------------------------------------

    @classmethod
    def read_webhook(cls, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> WebhookSaid:
        """Signed with Ed25519, by one of the keys that fal publishes; `secrets` has nothing to do with it."""
        named = {name.lower(): value for name, value in headers.items()}
        request_id, user_id, sent_at, signature = (
            named.get(f"x-fal-webhook-{part}", "") for part in ("request-id", "user-id", "timestamp", "signature")
        )
        if not (request_id and user_id and signature):
            raise BadSignature("no signature")
        webhook_signatures.check_time(sent_at, now)
        message = "\n".join([request_id, user_id, sent_at, hashlib.sha256(body).hexdigest()]).encode()
        if not is_signed(message, signature, cls.published.at(now, cls._fetch_keys)):
            raise BadSignature("no signature is right")
        job = Said(cls.label, json.loads(body)).text("request_id")
        return WebhookSaid(webhook_id=request_id, external_id=_status_of(job))

    @classmethod
    def _fetch_keys(cls) -> list[str]:
        try:
            keys = cls(workdir=Path(), base_url=cls.keys_host).read("GET", "/.well-known/jwks.json", timeout_s=3.0)
            return [key.text("x", default="") for key in keys.items("keys")]
        except CallError as error:
            raise BadSignature(f"the vendor's keys cannot be had: {error.message}") from error


def _terms(request: Request) -> tuple[str, int]:
    """(resolution, seconds): what the price depends on. An offer's own parameters come first."""
    own = request.own
    sold = next((offer.lengths for offer in Pika.offers if offer.name == request.offer), (5, 10))
    usual = next((length for length in sold if length >= round(request.seconds, 2)), sold[-1])
    seconds = str(own.get("duration", usual))
    resolution = own.get("resolution") or ("720p" if min(request.width, request.height) <= 720 else "1080p")
    return str(resolution), int(seconds) if seconds.isdecimal() else usual


def _status_of(external_id: str) -> str:
    """Where to ask. A person may know a job by its bare id."""
    if external_id.startswith(("/", "http://", "https://")):
        return external_id
    return f"{REQUESTS}/{quote(external_id, safe='')}/status"


def _charged(answer: HttpAnswer) -> float | None:
    """In units of the model's own price, of which only 0 can be told in cents. None where it is not said."""
    try:
        return float(answer.headers["X-Fal-Billable-Units"])
    except (KeyError, ValueError):
        return None
