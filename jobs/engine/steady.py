"""A wall clock that jumps makes our log of a window worthless: nothing more is sent until one window has passed.

It also makes jobs older than they are: none is ended for its age until there was time to ask about each of them.
When one that was ahead is put right, what was to happen by it would wait for as long: it is pulled back.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Max, QuerySet

from jobs.models import Batch, BulkJob, Step, Worker
from jobs.models.work import CLOCK_SKEW
from jobs.states import OPEN
from jobs.transactions import atomically
from providers.limits import LONG_S, guard_of
from providers.models import Lane, Provider, Quota

log = logging.getLogger(__name__)
JUMP_S = 1.0  # smaller differences to the clock that only goes forward are its everyday correction
MOST_WAIT_S = 60.0
AGES_S = 300.0  # so long a clock has to go evenly before ages are believed: several polls of each job


class Steady:
    """Compares the wall clock with the monotonic one, from round to round."""

    def __init__(self, ages_s: float = AGES_S, *, worker: Worker | None = None) -> None:
        self._ages_s, self._worker = ages_s, worker
        self._ahead_s: float | None = None  # of the wall clock
        self._back_s = 0.0  # so far it came back since moments were pulled back
        self._until = float("-inf")  # of the monotonic clock
        self._even_since = float("inf")

    def look(self, now: datetime, tick: float) -> None:
        """Between rounds, when all is written that went by an earlier look at the clock."""
        self._notice(now, tick)
        if self._back_s:
            pull_back(now, timedelta(seconds=self._back_s))
            self._back_s = 0.0

    def _notice(self, now: datetime, tick: float) -> None:
        """Often: a clock that jumps and jumps back between two looks is not noticed."""
        ahead_s = now.timestamp() - tick
        jump_s = -_was_ahead_s(now) if self._ahead_s is None else ahead_s - self._ahead_s
        if self._ahead_s is None or abs(jump_s) > JUMP_S:
            self._even_since = tick
        if abs(jump_s) > JUMP_S:
            wait_s = _window_s()
            self._until = max(self._until, tick + wait_s)
            log.warning("the clock jumped by %.1f s; vendors wait for %.1f s", jump_s, wait_s)
        if jump_s > JUMP_S and self._worker:  # whoever is there when it is put right knows by this that it was ahead
            Worker.objects.filter(pk=self._worker.pk).update(seen_at=now)
        if jump_s < -JUMP_S:
            self._back_s -= jump_s
        self._ahead_s = ahead_s

    def must_wait(self, now: datetime, tick: float) -> bool:
        """Whether the clock jumped less than a window ago, of those that are at most a minute long."""
        self._notice(now, tick)
        return tick < self._until

    def tells_ages(self, now: datetime, tick: float) -> bool:
        """Not lately after a jump, nor after the first look: who knows what was before."""
        self._notice(now, tick)
        return tick >= self._even_since + self._ages_s


def _window_s() -> float:
    longest = Quota.objects.filter(window_s__lte=LONG_S).aggregate(most=Max("window_s"))["most"]
    return min(MOST_WAIT_S, longest + guard_of(longest)) if longest else 0.0


def _was_ahead_s(now: datetime) -> float:
    """By those who were seen in what is still to come: nobody may have been there when the clock was put right."""
    latest = Worker.objects.aggregate(latest=Max("seen_at"))["latest"]
    return (latest - now).total_seconds() if latest and latest > now + CLOCK_SKEW else 0.0


def pull_back(now: datetime, by: timedelta) -> None:
    """Moments more than half the jump ahead were written by the clock that was wrong.

    One that was meant comes too early by this: a vendor is asked, or tried, once in vain. Each drive may do it.
    """
    moments: tuple[tuple[QuerySet[Any], str], ...] = (
        (Step.objects.filter(state__in=OPEN), "not_before"),
        (BulkJob.objects.all(), "next_at"),
        (Batch.objects.all(), "gate_opens_at"),
        (Lane.objects.all(), "paused_until"),
        (Lane.objects.all(), "broken_until"),
        (Provider.objects.all(), "paused_until"),
        (Worker.objects.all(), "seen_at"),
    )
    for rows, name in moments:
        _pull(rows.filter(**{f"{name}__gt": now + by / 2}), name, by)


@atomically
def _pull(rows: QuerySet[Any], name: str, by: timedelta) -> None:
    rows.update(**{name: F(name) - by})
