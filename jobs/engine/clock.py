"""The time of day for whoever is not handed it: threads at work, a drive at its birth. One clock for tests to turn."""

from __future__ import annotations

from datetime import UTC, datetime


def now_utc() -> datetime:
    return datetime.now(UTC)
