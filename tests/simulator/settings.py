"""How each vendor behaves, changed while it runs through POST /control."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

from .limits import Limit

DEFAULTS: dict[str, Any] = {
    "limits": [],  # [{"requests": 10, "per_s": 60}, …]
    "concurrency": 0,  # living jobs at once; 0 = any number
    "latency_s": [2.0, 6.0],
    "queue_s": [0.0, 0.0],  # before a job starts
    "slow_s": 600.0,  # what the fault "slow" adds
    "price_micro": 0,  # a number, or one a kind: {"image": 40000}
    "bill_failed": False,
    "dedupe": False,  # on the Idempotency-Key header
    "answers": "url",  # or "base64"
    "list_lag_s": 0.0,  # how long a new job is missing from listings
    "rates": {},  # {"500_after": 0.05}: share of submits with this fault
}
BY_VENDOR: dict[str, dict[str, Any]] = {"keyed": {"dedupe": True}, "instant": {"answers": "base64"}}

BEFORE = {"lose_before_accept": 0, "500_before": 500, "503_before": 503, "429": 429, "400": 400, "401": 401, "402": 402}
AFTER = {"lose_after_accept", "500_after", "504_after", "garbage_after", "no_id", "slow"}
JOB = {"fail_job", "moderated", "unknown_status", "stuck", "cut_file", "broken_file", "expired_file"}
SUBMIT_FAULTS = {*BEFORE, *AFTER, *JOB}
GET_FAULTS = {"lose", "429", "500", "503", "garbage"}


class BadControl(ValueError):
    pass


class Behaviour:
    """Settings last as long as the books; faults in the queue only as long as the process."""

    def __init__(self, kept: dict[str, dict[str, Any]], seed: int) -> None:
        self.kept, self._seed = kept, seed
        self._next: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._count: dict[str, int] = defaultdict(int)

    def of(self, vendor: str) -> dict[str, Any]:
        return {**DEFAULTS, **BY_VENDOR.get(vendor, {}), **self.kept.get(vendor, {})}

    def limits(self, vendor: str) -> list[Limit]:
        return [Limit(int(limit["requests"]), float(limit["per_s"])) for limit in self.of(vendor)["limits"]]

    def price_micro(self, vendor: str, kind: str) -> int:
        price = self.of(vendor)["price_micro"]
        return int(price.get(kind, 0)) if isinstance(price, dict) else int(price)

    def change(self, vendor: str, order: dict[str, Any]) -> None:
        settings = {name: value for name, value in order.items() if name not in ("next", "next_get", "calm")}
        submits, gets = order.get("next", []), order.get("next_get", [])
        _only_known(settings, DEFAULTS, "setting")
        _only_known([*submits, *settings.get("rates", {})], SUBMIT_FAULTS, "fault of a submit")
        _only_known(gets, GET_FAULTS, "fault of a get")
        if order.get("calm"):
            self._next[vendor, "submit"], self._next[vendor, "get"] = [], []
            settings["rates"] = {}
        self._next[vendor, "submit"] += submits
        self._next[vendor, "get"] += gets
        self.kept[vendor] = {**self.kept.get(vendor, {}), **settings}

    def chance(self, vendor: str) -> random.Random:
        """Luck of the vendor's next submit: the same for the same seed and order."""
        self._count[vendor] += 1
        return random.Random(f"{self._seed}:{vendor}:{self._count[vendor]}")

    def submit_fault(self, vendor: str, chance: random.Random) -> str:
        if self._next[vendor, "submit"]:
            return self._next[vendor, "submit"].pop(0)
        draw = chance.random()
        for fault, share in self.of(vendor)["rates"].items():
            draw -= share
            if draw < 0:
                return str(fault)
        return ""

    def get_fault(self, vendor: str) -> str:
        return self._next[vendor, "get"].pop(0) if self._next[vendor, "get"] else ""


def _only_known(names: Any, known: Any, what: str) -> None:
    for name in names:
        if name not in known:
            raise BadControl(f"{name!r} is no {what}; there are: {', '.join(sorted(known))}")
