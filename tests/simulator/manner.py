"""How a vendor words its answers: the simulator's own manner. A protocol overrides what its vendor says otherwise."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from . import telling
from .books import Row
from .limits import Refusal
from .meters import Told
from .replies import Asked, Reply, error

if TYPE_CHECKING:
    from .vendor import Vendors


class Manner:
    def refused(self, vendors: Vendors, asked: Asked, refusal: Refusal) -> Reply:
        """A limit is reached; `refusal.why` says which, `refusal.wait_s` for how many virtual seconds."""
        return telling.refused(vendors, refusal, vendors.behaviour.of(asked.vendor)["retry_after"])

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        """A fault, by its status: 400, 401, 402, 408, 409, 429, 5xx. `why` is the fault's name."""
        return error(status, why, **({"Retry-After": "0.2"} if status == 429 else {}))

    def declined(self, asked: Asked, why: str) -> Reply:
        """One that answers at once does not make it: `why` is "content_policy" or "could_not_make_it"."""
        return error(422, why)

    def taken(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        """It was accepted, and is worked on."""
        return Reply(status=201, body=vendors.told(job, job["accepted_at"]))

    def finished(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        """It was accepted, and this answer waits until it is done: the caller sets `at`."""
        told = vendors.told(job, answered_at(job))
        return Reply(body=told, outputs=[(told, job)])

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        """The vendor's own name of a job; letters, digits, - and _ only."""
        return f"{kind}-{number:06d}-{chance.getrandbits(32):08x}"

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        """What one job costs, in millionths."""
        return vendors.behaviour.price_micro(vendor, kind) * count_of(body)

    def limit_headers(self, vendors: Vendors, asked: Asked, told: dict[str, Told]) -> dict[str, str]:
        """What is said of limits beside an answer, where the setting `tell_headers` is on."""
        nonsense = vendors.behaviour.of(asked.vendor)["tell_headers"] == "nonsense"
        return telling.headers(vendors, asked, told, nonsense=nonsense)


GENERIC = Manner()


def answered_at(job: Row) -> float:
    return 1e18 if job["done_at"] is None else float(job["done_at"])


def count_of(body: dict[str, Any]) -> int:
    """How many candidates one request asks for."""
    return max(1, int(body.get("count") or 1))


def request_of(job: Row) -> dict[str, Any]:
    """What was asked for, in the simulator's own words."""
    return dict(json.loads(job["request"]))
