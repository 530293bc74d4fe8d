"""What clients are told of limits: in headers, and in a refusal."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import format_datetime
from math import ceil
from typing import TYPE_CHECKING

from .limits import Refusal
from .meters import Told
from .replies import Asked, Reply, error

if TYPE_CHECKING:
    from .vendor import Vendors

NONSENSE = ("many", "-5", "1e309", "", "0x10", "NaN")


def refused(vendors: Vendors, refusal: Refusal, manner: str) -> Reply:
    wait_s = refusal.wait_s / vendors.clock.scale
    reply = error(429, "rate_limited")
    match manner:
        case "exact":
            reply.headers["Retry-After"] = f"{wait_s + 0.001:.3f}"
        case "seconds":
            reply.headers["Retry-After"] = str(ceil(wait_s))
        case "date":
            moment = datetime.fromtimestamp(ceil(vendors.clock.real(vendors.clock.now()) + wait_s), UTC)
            reply.headers["Retry-After"] = format_datetime(moment, usegmt=True)
        case "body":
            reply.body["error"]["message"] = f"Rate limit reached. Please try again in {wait_s + 0.001:.3f}s."
    return reply


def headers(vendors: Vendors, asked: Asked, told: dict[str, Told], *, nonsense: bool) -> dict[str, str]:
    found = {}
    for unit, limit in told.items():
        if nonsense:
            words = random.Random(f"{unit}:{limit.remaining}").choices(NONSENSE, k=3)
        else:
            words = [str(limit.most), str(limit.remaining), _reset(vendors, asked, limit.reset_s)]
        for name, word in zip(("limit", "remaining", "reset"), words, strict=True):
            found[f"x-ratelimit-{name}-{unit}"] = word
    return found


def _reset(vendors: Vendors, asked: Asked, reset_s: float) -> str:
    match vendors.behaviour.of(asked.vendor)["reset_style"]:
        case "seconds":
            return str(ceil(reset_s / vendors.clock.scale))
        case "date":
            moment = datetime.fromtimestamp(vendors.clock.real(asked.at + reset_s), UTC)
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _duration(reset_s / vendors.clock.scale)


def _duration(seconds: float) -> str:
    """As vendors write it: 850ms, 2.104s, 6m0s."""
    if seconds < 1:
        return f"{ceil(seconds * 1000)}ms"
    minutes, rest = divmod(ceil(seconds * 1000) / 1000, 60)
    return f"{minutes:.0f}m{rest:.0f}s" if minutes else f"{rest:g}s"
