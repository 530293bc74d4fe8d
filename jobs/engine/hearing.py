"""What a vendor tells of its limits beside an answer: a lower one is obeyed, and what others used is counted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from jobs.models import Attempt
from providers.models import Lane, Quota
from providers.types import CALLS_AT_ONCE, VendorLimit

from .meters import used_in

log = logging.getLogger(__name__)
_warned: set[int] = set()  # lanes whose headers make no sense: said once by each process


def warn(lane: Lane, nonsense: str) -> None:
    if lane.pk not in _warned:
        _warned.add(lane.pk)
        name = Lane.objects.select_related("provider", "offer").get(pk=lane.pk)
        log.warning("%s: its headers tell limits that make no sense (%s); they are passed over", name, nonsense)


def cap_in(lane: Lane, told: Sequence[tuple[Attempt, VendorLimit]], now: datetime) -> dict[str, Any]:
    """What the lane learns of how many calls the vendor allows at once. How many are out elsewhere is no matter: it has
    changed by the time it could be obeyed."""
    caps = [limit.limit for _, limit in told if limit.unit == CALLS_AT_ONCE and limit.limit]
    if not caps or (lane.at_once is not None and min(caps) >= lane.at_once):
        return {}
    log.warning("lane %s: the vendor allows %s calls at once, and that is obeyed", lane.pk, min(caps))
    return {"learned_cap": min(caps), "learned_cap_at": now}


def listen(lane: Lane, told: Sequence[tuple[Attempt, VendorLimit]], now: datetime) -> None:
    """Of several quotas for one unit, what is told is taken to be about the one with the shortest window."""
    quotas = list(Quota.objects.filter(provider=lane.provider_id).order_by("window_s"))
    fewest: dict[int, tuple[Quota, int, Attempt]] = {}
    for attempt, limit in told:
        fitting = (q for q in quotas if q.unit == limit.unit and q.matches(attempt.capability, attempt.offer_id))
        quota = next(fitting, None)
        if quota is None:
            continue
        if limit.limit is not None and limit.limit < quota.granted:
            log.warning("%s: the vendor grants %s, and that is obeyed", quota, limit.limit)
            quota.learned_amount, quota.learned_at = limit.limit, now
            quota.save(update_fields=["learned_amount", "learned_at"])
        if limit.remaining is not None and limit.remaining < fewest.get(quota.pk, (None, 10**12))[1]:
            fewest[quota.pk] = (quota, limit.remaining, attempt)
    for quota, remaining, attempt in fewest.values():
        _count_others(quota, remaining, attempt, now)


def _count_others(quota: Quota, remaining: int, attempt: Attempt, now: datetime) -> None:
    """What the vendor counts beyond all that we know to be ours was used by somebody else with the same account."""
    if quota.is_long:
        return
    at = attempt.on_wire_at or attempt.sent_at
    span_s = quota.window_s + quota.guard_s([attempt.lane])
    others = quota.granted - remaining - used_in(quota, at - timedelta(seconds=span_s), now)
    if others > 0:
        quota.others_units, quota.others_at = others, at
        quota.save(update_fields=["others_units", "others_at"])
