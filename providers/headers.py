"""What vendors say of their limits in the headers of an answer. Pure; whatever cannot be read says nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .types import VendorLimit

UNITS = ("requests", "images", "tokens", "characters")
# (limit, remaining, reset) of a unit, as OpenAI and others name them; "" stands for plain requests.
NAMES = (
    ("x-ratelimit-limit-{}", "x-ratelimit-remaining-{}", "x-ratelimit-reset-{}"),
    ("ratelimit-limit-{}", "ratelimit-remaining-{}", "ratelimit-reset-{}"),
)
PLAIN = (
    ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
)
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
EPOCH = 10**9  # a larger number of seconds is a moment, not a span
MOST = 10**9  # units; nobody grants more in a window
AGAIN_IN = re.compile(r"(?:try again|retry) (?:in|after) ((?:\d+(?:\.\d+)?\s*(?:ms|d|h|m|s)\w*\s*)+)", re.IGNORECASE)


def limits_in(headers: Mapping[str, str]) -> tuple[tuple[VendorLimit, ...], str]:
    """(what was told, the first thing in it that makes no sense or ""). Names of headers in any case."""
    told: list[VendorLimit] = []
    nonsense = ""
    lower = {name.lower(): value for name, value in headers.items() if "ratelimit" in name.lower()}
    kinds = [(unit, tuple(name.format(unit) for name in names)) for unit in UNITS for names in NAMES]
    kinds += [("requests", names) for names in PLAIN]
    for unit, (limit, remaining, reset) in kinds:
        if limit not in lower and remaining not in lower:
            continue
        most, left = _whole(lower.get(limit)), _whole(lower.get(remaining))
        for name, value in ((limit, most), (remaining, left)):
            if name in lower and value is None:
                nonsense = nonsense or f"{name}: {lower[name]}"
        if most is not None and left is not None and left > most:
            nonsense, left = nonsense or f"{remaining}: {left} of {most}", None
        if most == 0:
            nonsense, most = nonsense or f"{limit}: 0", None
        if most is not None or left is not None:
            told.append(VendorLimit(unit=unit, limit=most, remaining=left, reset_s=seconds_of(lower.get(reset, ""))))
    return tuple(told), nonsense[:200]


def _whole(text: str | None) -> int | None:
    """The first number: of "100, 100;w=60" that is 100."""
    head = (text or "").split(",")[0].split(";")[0].strip()
    return int(head) if head.isascii() and head.isdigit() and int(head) <= MOST else None


def seconds_of(text: str) -> float | None:
    """Seconds from now, written as 30, 1.5s, 6m0s, 20ms, a moment since 1970, or a date."""
    text = text.strip()
    try:
        value = float(text)
    except ValueError:
        parts = PART.findall(text)
        if parts and PART.sub("", text).strip() == "":
            return sum(float(number) * SECONDS[unit] for number, unit in parts)
        return _until(text)
    if value > EPOCH:
        value -= datetime.now(UTC).timestamp()
    return max(0.0, value) if value < float("inf") else None


def _until(text: str) -> float | None:
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def retry_after(headers: Mapping[str, str], body: str = "") -> float | None:
    """Seconds to wait, by the header or the words of the body; None when neither says anything usable."""
    lower = {name.lower(): value for name, value in headers.items()}
    if "retry-after-ms" in lower and (value := seconds_of(lower["retry-after-ms"])) is not None:
        return value / 1000
    found = seconds_of(lower.get("retry-after", ""))
    if found is None and (words := AGAIN_IN.search(body[:5000])):
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|d|h|m|s)", words[1])
        found = sum(float(number) * SECONDS[unit] for number, unit in parts)
    return found
