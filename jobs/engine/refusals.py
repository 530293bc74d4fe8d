"""A 429: the lanes behind the same quota pause, no step pays for it, and the lane draws its conclusions."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jobs.models import Attempt
from providers.exceptions import RateLimited
from providers.limits import clean_s
from providers.models import Lane, Quota

from .meters import units_of, used_in

log = logging.getLogger(__name__)
RATE_LIMIT_PAUSE_S = 5.0  # where the vendor says nothing
LEAST_PAUSE_S, MOST_PAUSE_S = 0.05, 86_400.0
WIDER_SHARE = 0.025  # of the window: the guard after such a one, at least
NEAR_SHARE = 0.1  # a refusal so close to the edge of our window, as a share of it, is a matter of clocks and ways


@dataclass(frozen=True, slots=True, kw_only=True)
class _Behind:
    """The quota that a refusal is most likely about: the fullest of those that count the call."""

    quota: Quota
    guard_s: float
    is_near: bool  # it would have been too early, were our window a little longer


def slow_down(lane: Lane, refused: Sequence[tuple[Attempt, RateLimited]], now: datetime) -> dict[str, Any]:
    """Pauses until the vendor's moment and a little more, never earlier. Returns what the lane learns from it."""
    attempt, error = max(refused, key=lambda one: _pause_s(one[1]))
    behind = _quota_behind(attempt, is_counted=error.http_status != 429)
    until = now + timedelta(seconds=max(LEAST_PAUSE_S, _pause_s(error) * random.uniform(1, 1.2)))
    for other in Lane.objects.filter(provider=lane.provider_id).order_by("pk"):
        is_meant = other.pk == lane.pk or (behind is not None and behind.quota.covers(other))
        if is_meant and (other.paused_until is None or other.paused_until < until):
            Lane.objects.filter(pk=other.pk).update(paused_until=until, pause_reason=error.message[:300])
    return _conclusions(lane, behind, _pause_s(error), now) if behind else {}


def _conclusions(lane: Lane, behind: _Behind, retry_s: float, now: datetime) -> dict[str, Any]:
    """By our own log it was legal, or it would not have been sent: either we were a little early, or the window is
    another than we think: narrower, or used by others, too. Then bursts are left for a while."""
    window_s = behind.quota.window_s
    if behind.is_near:
        early_s = retry_s if retry_s <= window_s * NEAR_SHARE else behind.guard_s
        guard_s = min(window_s, max(lane.guard_s, behind.guard_s + 4 * early_s, window_s * WIDER_SHARE))
        log.warning("lane %s: refused at the edge of %s; the guard is %.3f s now", lane.pk, behind.quota, guard_s)
        return {"guard_s": guard_s}
    if lane.paced:
        return {"paced_since": now}
    log.warning("lane %s: refused with room in %s; it goes evenly from now on", lane.pk, behind.quota)
    return {"paced": True, "paced_since": now, "paced_times": _times(lane, window_s, now)}


def _times(lane: Lane, window_s: float, now: datetime) -> int:
    """How often in a row bursts were tried again in vain. What is long past does not count."""
    if lane.paced_since is None:
        return 1
    is_past = now - lane.paced_since > timedelta(seconds=3 * clean_s(window_s, lane.paced_times))
    return 1 if is_past else min(lane.paced_times + 1, 999)


def _quota_behind(attempt: Attempt, *, is_counted: bool) -> _Behind | None:
    quotas = Quota.objects.filter(provider=attempt.provider_id).order_by("window_s")
    mine = [quota for quota in quotas if quota.matches(attempt.capability, attempt.offer_id)]
    if not mine:
        return None
    at, own = attempt.on_wire_at or attempt.sent_at, units_of(attempt)

    def used(quota: Quota, seconds: float) -> int:
        """With this call."""
        others = used_in(quota, at - timedelta(seconds=seconds), at)
        return others if is_counted else others + own[quota.unit]

    quota = max(mine, key=lambda q: 0.0 if q.is_long else used(q, q.window_s) / q.granted)
    guard_s = quota.guard_s([attempt.lane])
    near = used(quota, (quota.window_s + guard_s) * (1 + NEAR_SHARE))
    return _Behind(quota=quota, guard_s=guard_s, is_near=near > quota.granted)


def _pause_s(error: RateLimited) -> float:
    return min(MOST_PAUSE_S, error.retry_after_s if error.retry_after_s is not None else RATE_LIMIT_PAUSE_S)
