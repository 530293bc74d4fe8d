"""Kling AI (Kuaishou): a still picture to a clip. Submit and poll; it calls back where this site can be reached.

https://kling.ai/document-api/ (authentication, error codes, concurrency, callbacks, videos; read 2026-05 to 2026-10)
Its interface has two designs. The new one names the model in the path and takes API keys alone. The classic one, below
/v1/videos, takes a pair of access keys as well, with which a token is signed for every call: it is spoken where the key
is "ACCESS:SECRET", and with an API key where the provider's options say {"classic": true}.
`external_task_id` carries our tag and finds the job again. Nothing says that a second submit with the same one is not
made: LISTABLE, not KEYED.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from ... import webhook_signatures
from ...answers import Said
from ...base import Adapter, HttpAnswer
from ...exceptions import CallError, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from ...pictures import picture_of
from ...types import Accepted, Capability, Failed, Finished, Recovery, RemoteJob, Request, Running, WebhookSaid
from . import orders, tasks
from .orders import OFFERS

# The business code decides, as half of what is answered with 429 never passes. /api/get-started/error-codes (2026-05)
SAYS: dict[int, tuple[type[CallError], str]] = {
    1000: (Unauthorised, "does not accept the key"),
    1001: (Unauthorised, "was sent no key"),
    1002: (Unauthorised, "does not know the key: it may be one of another region"),
    1003: (Unauthorised, "says the token is not valid yet: this machine's clock may be wrong"),
    1004: (Unauthorised, "says the token is too old: this machine's clock may be wrong"),
    1100: (Unauthorised, "says that something is wrong with the account"),
    1101: (OutOfCredit, "says the account has to pay first"),
    1102: (OutOfCredit, "says the account's units are used up, or too old"),
    1103: (Unauthorised, "does not let this account use the model"),
    1200: (Rejected, "refused the request"),
    1201: (Rejected, "refused the request"),
    1202: (Rejected, "refused the request"),
    1203: (Rejected, "does not know it (any more): the model may be retired, or the job too old"),
    1300: (Rejected, "declined the prompt or the picture"),
    1301: (Rejected, "declined the prompt or the picture"),
    1302: (RateLimited, "asks us to slow down"),
    1303: (RateLimited, "has as many jobs of this account as it may have"),  # nothing was made
    1304: (Unauthorised, "does not let this machine's address in"),
    5000: (Unknown, "failed inside"),
    5001: (Unknown, "is closed for maintenance"),
    5002: (Unknown, "did not get it done in time"),
}
BAD_PARAMETER, NOT_THERE, MODERATED = {1200, 1201}, 1203, {1300, 1301}


class Kling(Adapter):
    slug = "kling"
    label = "Kling AI"
    base_url = "https://api-singapore.klingai.com"  # in China https://api-beijing.klingai.com; keys are good in one
    key_env = "KLING_API_KEY"
    capabilities = frozenset({Capability.CLIP})
    offers = OFFERS
    recovery: ClassVar = {Capability.CLIP: Recovery.LISTABLE}
    calls_back = True
    webhook_secret_env = "KLING_WEBHOOK_SECRET"
    can_list = 50
    usual_s: ClassVar = {Capability.CLIP: (60.0, 300.0)}
    where_to_look = "https://kling.ai/dev"
    # Not documented; seen in published answers (2026-08).
    output_hosts = (".klingai.com", ".kling.ai", ".kechuangai.com", ".kwimgs.com", ".inkwai.com")

    code: int = 0  # of the last error

    @property
    def is_classic(self) -> bool:
        return ":" in self.key or bool(self.options.get("classic"))

    def headers(self) -> dict[str, str]:
        access, is_pair, secret = self.key.partition(":")
        if not is_pair:
            return super().headers()
        return {"Authorization": f"Bearer {token(access, secret, datetime.now(UTC).timestamp())}"}

    @classmethod
    def most_units(cls, request: Request) -> dict[str, int]:
        terms = orders.terms_of(request)
        rates = orders.RATES.get(request.offer, orders.DEAREST)
        rate = rates.get(terms.resolution) or max(rates.values())
        return {"seconds": terms.seconds, "milliunits": terms.seconds * rate[terms.has_sound]}

    def submit(self, request: Request) -> Accepted:
        picture = picture_of(request)
        if picture is None:
            raise Rejected("Kling AI makes clips from a picture, and there is none.")
        if self.is_classic and request.offer in orders.NEW_ONLY:
            raise Rejected(f"Kling AI sells {request.offer} for API keys alone, not for a pair of access keys.")
        path, body = (orders.classic_order if self.is_classic else orders.order)(request, orders.base64_of(picture))
        deadline_s = self.deadline_of(request.capability)
        said = self.ask("POST", path, json=orders.merged(body, request.own), paid=True, timeout_s=deadline_s)
        return Accepted(external_id=tasks.id_of(said.part("data")))

    def poll(self, external_id: str) -> Running | Finished | Failed:
        if self.is_classic:
            return tasks.state_of(self.ask("GET", f"{orders.CLASSIC_PATH}/{external_id}").part("data"))
        for task in self.ask("GET", "/tasks", params={"task_ids": external_id}).items("data"):
            if tasks.id_of(task) == external_id:
                return tasks.state_of(task)
        raise Rejected(f"Kling AI does not know the job {external_id}.")

    def poll_many(self, external_ids: Sequence[str]) -> dict[str, Running | Finished | Failed]:
        found: dict[str, Running | Finished | Failed] = {}
        if self.is_classic:
            return found  # it tells of one job at a time
        for task in self.ask("GET", "/tasks", params={"task_ids": ",".join(external_ids)}).items("data"):
            with suppress(CallError):  # one that cannot be read is asked about by itself
                found[tasks.id_of(task)] = tasks.state_of(task)
        return found

    def find(self, tag: str) -> str | None:
        if self.is_classic:
            try:
                found = [self.ask("GET", f"{orders.CLASSIC_PATH}/{tag}").part("data")]
            except Rejected:
                if self.code == NOT_THERE:
                    return None
                raise
        else:
            found = list(self.ask("GET", "/tasks", params={"external_task_ids": tag}).items("data"))
        return next((tasks.id_of(task) for task in found if tasks.tag_of(task) in (tag, "")), None)

    def list_jobs(self, since: datetime, until: datetime) -> list[RemoteJob]:
        found = self._classic_tasks() if self.is_classic else self._tasks(since, until)
        jobs = [tasks.listed(task) for task in found]
        return sorted((job for job in jobs if since <= job.created_at <= until), key=lambda job: job.created_at)

    def _tasks(self, since: datetime, until: datetime) -> list[Said]:
        found: list[Said] = []
        asked = {"start_time": _ms(since), "end_time": _ms(until), "limit": 500}
        cursor = ""
        for _ in range(1000):
            page = self.ask("POST", "/tasks", json={**asked, "cursor": cursor}).part("data")
            found += page.items("result")
            cursor = page.text("next_cursor", default="")
            if not cursor or not page.flag("has_more", default=False):
                break
        return found

    def _classic_tasks(self) -> list[Said]:
        """All there are: neither times nor an order are promised."""
        found: list[Said] = []
        for number in range(1, 1001):
            page = list(self.ask("GET", orders.CLASSIC_PATH, params={"pageNum": number, "pageSize": 500}).items("data"))
            found += page
            if len(page) < 500:
                break
        return found

    @classmethod
    def read_webhook(cls, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> WebhookSaid:
        webhook_id = webhook_signatures.standard(headers, body, secrets, now)
        task = Said(cls.label, json.loads(body))
        is_over = tasks.word_of(task) in tasks.OVER
        job = tasks.id_of(task) if is_over else None
        return WebhookSaid(webhook_id=webhook_id, external_id=job, tag=tasks.tag_of(task) if is_over else "")

    def account(self) -> str:
        """The resource packs of the last half year; the figures lag behind by twelve hours."""
        until = datetime.now(UTC)
        span = {"start_time": until - timedelta(days=180), "end_time": until}
        said = self.ask("GET", "/account/costs", params={name: int(at.timestamp() * 1000) for name, at in span.items()})
        packs = said.part("data").items("resource_pack_subscribe_infos", optional=True)
        left = sum(pack.number("remaining_quantity", default=0.0) for pack in packs)
        return f"The key works; about {left:,.0f} units are left."

    def ask(self, method: str, path: str, **kwargs: Any) -> Said:
        """The answer, once its code is 0: a status of 200 alone says nothing."""
        answer = self.send(method, path, **kwargs)
        said = answer.said(self.label)
        if said.whole("code") != 0:
            raise self.error_of(answer)
        return said

    def error_of(self, response: HttpAnswer) -> CallError:
        said = response.said(self.label)
        self.code = said.whole("code", default=0)
        text = said.text("message", default="")
        status, detail = response.status_code, response.detail
        if self.code in MODERATED:
            return Rejected(f"Kling AI {SAYS[self.code][1]}.", moderated=True, detail=detail, http_status=status)
        if self.code in BAD_PARAMETER and _is_repeated(text):
            return Unknown("Kling AI says that it has a job with our tag already.", detail=detail, http_status=status)
        if self.code in SAYS:
            kind, words = SAYS[self.code]
            why = f": {text[:150].rstrip('. ')}" if self.code in BAD_PARAMETER and text else ""
            return kind(f"Kling AI {words}{why}.", detail=detail, http_status=status)
        if status < 300:
            return Unknown(f"Kling AI answered with the code {self.code}, which is not known here.", detail=detail)
        return super().error_of(response)


def token(access: str, secret: str, now: float) -> str:
    """A JSON Web Token (HS256), valid from five seconds ago for half an hour."""
    claims = {"iss": access, "exp": int(now) + 1800, "nbf": int(now) - 5}
    head = {"alg": "HS256", "typ": "JWT"}
    signed = b".".join(_url64(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    return b".".join((signed, _url64(hmac.digest(secret.encode(), signed, "sha256")))).decode()


def _url64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _is_repeated(text: str) -> bool:
    said = text.lower()
    hints = ("exist", "unique", "duplicate", "repeat", "already")
    return "external_task_id" in said and any(hint in said for hint in hints)


def _ms(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1000))
