"""What answers say about lanes: refused for haste, failed, worked, left late, limits told. Collected, then booked."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from jobs.models import COUNTS, Attempt
from providers.exceptions import RateLimited
from providers.limits import Reckoning, break_s, is_broken, learned_guard
from providers.models import Lane
from providers.types import VendorLimit

from . import hearing, refusals
from .meters import recount, units_of

log = logging.getLogger(__name__)
MINUTE = timedelta(seconds=60)
MOST_KEPT = 100  # failures


@dataclass(slots=True)
class OfLane:
    lane: Lane
    refused: list[tuple[Attempt, RateLimited]] = field(default_factory=list)
    failures: int = 0
    worked: bool = False  # a result came
    accepted: bool = False  # a job was taken
    shares: list[float] = field(default_factory=list)  # of the tokens that were reserved
    delays_s: list[float] = field(default_factory=list)  # from the stamp of a request until it had left
    told: list[tuple[Attempt, VendorLimit]] = field(default_factory=list)
    nonsense: str = ""
    changes: dict[str, Any] = field(default_factory=dict)


class News:
    """`write` does a few statements for each lane of which there is something to say, and none for the others."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._lanes: dict[int, OfLane] = {}
        self._counts: list[tuple[Attempt, dict[str, int]]] = []

    def of(self, attempt: Attempt) -> OfLane:
        return self._lanes.setdefault(attempt.lane_id, OfLane(attempt.lane))

    def uncounted(self, attempt: Attempt) -> None:
        """It never reached the vendor, or was refused for haste: no window holds it any more."""
        self._counts.append((attempt, {name: -n for name, n in units_of(attempt).items()}))

    def recounted(self, attempt: Attempt, tokens: int, *, is_told: bool) -> None:
        if not attempt.counts:
            return
        if attempt.tokens and is_told:
            self.of(attempt).shares.append(tokens / attempt.tokens)
        if tokens != attempt.tokens:
            self._counts.append((attempt, {"tokens": tokens - attempt.tokens}))

    def write(self) -> None:
        for pk in sorted(self._lanes):
            news = self._lanes[pk]
            _learn_guard(news)
            if news.shares:
                news.changes["tokens_seen"] = asdict(Reckoning(**news.lane.tokens_seen).learned(news.shares))
            if news.refused:
                news.changes |= refusals.slow_down(news.lane, news.refused, self.now)
            _judge(news, self.now)
            if news.nonsense:
                hearing.warn(news.lane, news.nonsense)
            if news.told:
                hearing.listen(news.lane, news.told, self.now)
                news.changes |= hearing.cap_in(news.lane, news.told, self.now)
            if news.changes:
                Lane.objects.filter(pk=pk).update(**news.changes)
        recount(self._counts)


def _learn_guard(news: OfLane) -> None:
    if news.delays_s and (guard_s := learned_guard(news.lane.guard_s, news.delays_s)) != news.lane.guard_s:
        news.changes["guard_s"] = guard_s


def _judge(news: OfLane, now: datetime) -> None:
    """The circuit breaker: opens after failures, closes when the one call that is let through comes back well."""
    lane = news.lane
    if news.worked and (lane.failures_in_row or lane.broken_until):
        news.changes |= {"failures_in_row": 0, "broken_until": None, "broken_times": 0}
    elif news.accepted and lane.broken_until and lane.broken_until <= now:
        news.changes["broken_until"] = None
    if not news.failures:
        return
    moment = now.timestamp()
    recent = [at for at in lane.failed_at if at > moment - MINUTE.total_seconds()] + [moment] * news.failures
    in_row = news.failures + (0 if news.worked else lane.failures_in_row)
    news.changes |= {"failures_in_row": min(in_row, 999), "failed_at": recent[-MOST_KEPT:]}
    is_open = lane.broken_until is not None and lane.broken_until > now
    if not is_open and is_broken(in_row, recent, _ended(lane, now), moment):
        times = min(lane.broken_times + 1, 999)
        news.changes |= {"broken_until": now + timedelta(seconds=break_s(times)), "broken_times": times}
        log.warning("%s: %s failures in a row; nothing is sent for %.0f s", name_of(lane), in_row, break_s(times))


def _ended(lane: Lane, now: datetime) -> int:
    return Attempt.objects.filter(COUNTS, provider=lane.provider_id, lane=lane.pk, ended_at__gt=now - MINUTE).count()


def name_of(lane: Lane) -> str:
    return str(Lane.objects.select_related("provider", "offer").get(pk=lane.pk))
