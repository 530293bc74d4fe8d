"""Flux models on Replicate: submit, then poll or be called back.

https://api.replicate.com/openapi.json (copy of 2026-03-16), https://replicate.com/docs/topics/predictions/lifecycle and
https://replicate.com/docs/reference/error-codes (read 2026-11); inputs and sizes:
https://github.com/replicate/cog-flux (predict.py, 2025-07) and the API pages of the models (read 2026-11).
A prediction shows nothing of ours: not the address of the webhook, and no inputs that its model does not know. Lost
answers are found by what was asked, as long as Replicate keeps that, which is an hour.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from .. import webhook_signatures
from ..answers import Said
from ..base import Adapter, HttpAnswer
from ..exceptions import CallError, RateLimited, Unknown
from ..offer_spec import OfferSpec
from ..pictures import Size, nearest
from ..types import (
    Accepted,
    Capability,
    Failed,
    Finished,
    JobState,
    Output,
    Recovery,
    RemoteJob,
    Request,
    Running,
    WebhookSaid,
)

RATIOS: dict[Size, str] = {  # as cog-flux makes them at one megapixel
    (1024, 1024): "1:1",
    (1344, 768): "16:9",
    (768, 1344): "9:16",
    (1216, 832): "3:2",
    (832, 1216): "2:3",
    (896, 1088): "4:5",
    (1088, 896): "5:4",
    (896, 1152): "3:4",
    (1152, 896): "4:3",
    (1536, 640): "21:9",
    (640, 1536): "9:21",
}
OF_PRO = tuple(size for size, ratio in RATIOS.items() if ratio not in ("21:9", "9:21"))
SEVERAL = {"flux-schnell": 4, "flux-dev": 4}  # how many pictures one prediction gives at most
MOST_PAGES = 500  # of a hundred predictions
AGAIN = re.compile(r'"retry_after":\s*(\d+(?:\.\d+)?)|(?:resets|available) in ~?(\d+)')
DECLINED = re.compile(r"nsfw|sensitive|flagged|\bE005\b", re.IGNORECASE)


class Replicate(Adapter):
    slug = "replicate"
    label = "Replicate"
    base_url = "https://api.replicate.com/v1"
    key_env = "REPLICATE_API_TOKEN"
    capabilities = frozenset({Capability.IMAGE})
    offers = (
        OfferSpec(
            capability=Capability.IMAGE,
            name="flux-schnell",
            label="FLUX.1 schnell",
            takes=SEVERAL["flux-schnell"],
            sizes=tuple(RATIOS),
            tier="draft",
        ),
        OfferSpec(
            capability=Capability.IMAGE,
            name="flux-dev",
            label="FLUX.1 dev",
            takes=SEVERAL["flux-dev"],
            sizes=tuple(RATIOS),
            tier="standard",
        ),
        OfferSpec(capability=Capability.IMAGE, name="flux-1.1-pro", label="FLUX1.1 pro", sizes=OF_PRO, tier="standard"),
        OfferSpec(capability=Capability.IMAGE, name="flux-pro", label="FLUX.1 pro", sizes=OF_PRO, tier="hero"),
    )
    recovery: ClassVar = {Capability.IMAGE: Recovery.LISTABLE}
    tagged = False
    calls_back = True
    webhook_secret_env = "REPLICATE_WEBHOOK_SECRET"
    usual_s: ClassVar = {Capability.IMAGE: (1.0, 20.0)}
    least_poll_s = 1.0
    max_age_s = 1800.0  # Replicate ends a prediction after 30 minutes
    where_to_look = "https://replicate.com/predictions"
    output_hosts = ("replicate.delivery",)

    END_AFTER = "10m"  # what nobody waits for any more is not to run on
    RUNNING = frozenset({"starting", "processing"})
    ENDED_BADLY = frozenset({"failed", "canceled", "aborted"})

    @classmethod
    def most_units(cls, request: Request) -> dict[str, int]:
        asked = _input(request).get("num_outputs")
        return {"images": max(request.takes, asked if isinstance(asked, int) else 1)}

    def submit(self, request: Request) -> Accepted:
        body: dict[str, Any] = {"input": _input(request)}
        if request.callback_url:
            body |= {"webhook": request.callback_url, "webhook_events_filter": ["completed"]}
        made = self.read(
            "POST",
            f"/models/{_model(request.offer)}/predictions",
            json=body,
            headers={"Cancel-After": self.END_AFTER},
            timeout_s=self.deadline_of(request.capability),
            paid=True,
        )
        return Accepted(external_id=made.text("id"))

    def poll(self, external_id: str) -> Running | Finished | Failed:
        made = self.read("GET", f"/predictions/{external_id}")
        match made.text("status"):
            case "succeeded":
                return _result(made)
            case "failed":
                return _failure(made.text("error", default=""))
            case "canceled":
                return Failed(reason="Replicate ended it: it was cancelled, or took longer than ten minutes.")
            case "aborted":
                return Failed(reason="Replicate could not begin with it within ten minutes.")
            case status:
                return Running(unknown_status="" if status in self.RUNNING else status)

    def cancel(self, external_id: str) -> None:
        self.send("POST", f"/predictions/{external_id}/cancel")

    # -- lost answers ----------------------------------------------------------------------------

    @classmethod
    def fingerprint_of(cls, request: Request) -> str:
        return _fingerprint(_model(request.offer), _input(request))

    def list_jobs(self, since: datetime, until: datetime) -> list[RemoteJob]:
        """An hour later without what was asked for: https://replicate.com/docs/topics/predictions/data-retention"""
        found: list[Said] = []
        query = {"created_after": since.isoformat(), "created_before": until.isoformat()}
        for _ in range(MOST_PAGES):
            page = self.read("GET", "/predictions", params=query)
            found += page.items("results")
            if not page.has("next"):
                break
            query = dict(parse_qsl(urlsplit(page.text("next")).query))
        else:
            raise Unknown("Replicate's list of predictions has no end.")
        return [self._listed(made) for made in reversed(found)]  # it gives the newest first

    def _listed(self, made: Said) -> RemoteJob:
        status, model, pictures = made.text("status"), made.text("model", default=""), 0
        is_removed = made.flag("data_removed", default=False)
        with suppress(Unknown):  # another model's, which makes something else
            pictures = len(_links(made))
        if status == "succeeded" and is_removed:
            pictures = 1  # at least
        ended = {"succeeded": JobState.FINISHED, **dict.fromkeys(self.ENDED_BADLY, JobState.FAILED)}
        return RemoteJob(
            external_id=made.text("id"),
            created_at=_moment(made),
            state=ended.get(status, JobState.RUNNING),
            fingerprint=None if is_removed else _fingerprint(model, made.value.get("input")),
            units={"images": pictures},
            billed=pictures > 0,
            capability=Capability.IMAGE if model in {_model(offer.name) for offer in self.offers} else None,
        )

    @classmethod
    def read_webhook(cls, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> WebhookSaid:
        webhook_id = webhook_signatures.standard(headers, body, secrets, now)
        made = Said(cls.label, json.loads(body))
        over = made.text("status") not in cls.RUNNING
        return WebhookSaid(webhook_id=webhook_id, external_id=made.text("id") if over else None)

    def account(self) -> str:
        return f"The key works; it belongs to {self.read('GET', '/account').text('username')}."

    def error_of(self, response: HttpAnswer) -> CallError:
        if response.status_code == 429 and (said := AGAIN.search(response.text[:2000])):
            message = "Replicate asks us to slow down."
            if "credit" in response.text[:2000]:
                message = "Replicate takes few requests while the account has less than 5 USD of credit."
            return RateLimited(message, retry_after_s=float(said[1] or said[2]), detail=response.detail)
        return super().error_of(response)


def _model(offer: str) -> str:
    """As it stands in paths; an offer of another maker names it itself."""
    return offer if "/" in offer else f"black-forest-labs/{offer}"


def _input(request: Request) -> dict[str, Any]:
    sizes = tuple(RATIOS) if request.offer in SEVERAL else OF_PRO
    wanted: dict[str, Any] = {
        "prompt": request.prompt,
        "aspect_ratio": RATIOS[nearest(sizes, request.width, request.height)],
        "output_format": "png",
        "seed": request.seed % 2**31 or 1,  # without one, and perhaps with 0, the model draws one of only 65,536
    }
    if request.offer in SEVERAL:
        wanted["num_outputs"] = min(request.takes, SEVERAL[request.offer])
    return wanted | request.own


def _fingerprint(model: str, asked: Any) -> str:
    asked = asked if isinstance(asked, dict) else {}
    return json.dumps([model, asked.get("prompt"), asked.get("seed")])


def _moment(made: Said) -> datetime:
    try:
        return datetime.fromisoformat(made.text("created_at"))
    except ValueError as error:
        raise made.unusable("a date") from error


def _links(made: Said) -> list[str]:
    """A list by some models, a single one by others; null for pictures that were held back."""
    if not made.has("output"):
        return []
    if isinstance(made.value["output"], str):
        return [made.text("output")]
    return [link.text() for link in made.items("output") if link.has()]


def _result(made: Said) -> Finished | Failed:
    if links := _links(made):
        outputs = tuple(Output(url=link, media_type="image/png") for link in links)
        return Finished(outputs=outputs, units={"images": len(links)})
    if made.flag("data_removed", default=False):
        count = made.whole("input", "num_outputs", default=1)
        reason = "Replicate deleted it before it was fetched, an hour after it was made."
        return Failed(reason=reason, billed=True, units={"images": count})
    return Failed(reason="Replicate's safety checker held every picture back.", moderated=True)


def _failure(error: str) -> Failed:
    """For people; the vendor's own text is not meant for them."""
    if DECLINED.search(error):
        return Failed(reason="Replicate's safety checker declined it.", moderated=True)
    code = re.match(r"E\d{4}", error)
    if code and code[0] in REASONS:
        return Failed(reason=f"{REASONS[code[0]]} ({code[0]})")
    return Failed(reason=f"Replicate failed: {error[:200]}" if error else "Replicate failed and did not say why.")


REASONS = {
    "E1000": "Replicate failed inside.",
    "E1001": "The model ran out of memory: ask for fewer or smaller pictures.",
    "E4875": "The address of the webhook is empty.",
    "E6716": "The model did not start in time.",
}
