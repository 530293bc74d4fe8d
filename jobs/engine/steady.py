"""A wall clock that jumps makes our log of a window worthless: nothing more is sent until one window has passed.

It also makes jobs older than they are: none, nor one in bulk, is ended for its age until the clock has gone evenly for
a while.
When one that was ahead is put right, what was written by it is put right, too (`put_right.py`).
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.db.models import Max

from jobs.models import Worker
from jobs.models.work import CLOCK_SKEW
from providers.limits import LONG_S, guard_of
from providers.models import Quota

from . import put_right

log = logging.getLogger(__name__)
JUMP_S = 1.0  # smaller differences to the clock that only goes forward are its everyday correction
MOST_WAIT_S = 60.0
WHILE_ASLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
AGES_S = 300.0  # so long a clock has to go evenly before ages are believed: several polls of each job


class Steady:
    """Compares the wall clock with the monotonic one, at every look at the clock."""

    def __init__(self, ages_s: float = AGES_S, *, worker: Worker | None = None) -> None:
        self._ages_s, self._worker, self._right = ages_s, worker, put_right.PuttingRight()
        self._has_begun = False
        self._ahead_s: float | None = None  # of the wall clock
        self._asleep_s = 0.0
        self._even_since = float("inf")  # of the monotonic clock, as the next two
        self._until = float("-inf")
        self._jumped_at: float | None = None  # a window from here on is still to be waited for
        self._ahead_by_s, self._back_s = 0.0, 0.0  # so far it went since the last look between rounds

    def notice(self, now: datetime, tick: float) -> None:
        """Often: a clock that jumps and jumps back between two of these is not noticed. Asks no database."""
        ahead_s, asleep_s = now.timestamp() - tick, slept_s()
        if self._ahead_s is None:
            self._even_since = tick
        elif abs(jump_s := ahead_s - self._ahead_s) > JUMP_S:
            self._jumped(jump_s, tick, asleep_s=asleep_s - self._asleep_s)
        self._ahead_s, self._asleep_s = ahead_s, asleep_s

    def _jumped(self, jump_s: float, tick: float, *, asleep_s: float = 0.0) -> None:
        """A machine that slept waits as well, but what its clock says is right, and was so before."""
        log.warning("the clock jumped by %.1f s; vendors wait for a window", jump_s)
        self._even_since = self._jumped_at = tick
        if asleep_s > JUMP_S:
            jump_s -= asleep_s
        if abs(jump_s) > JUMP_S:
            self._ahead_by_s += max(0.0, jump_s)
            self._back_s += max(0.0, -jump_s)

    def look(self, now: datetime, tick: float) -> None:
        """Between rounds, when all is written that went by an earlier look at the clock."""
        self.notice(now, tick)
        if not self._has_begun:
            self._begin(now, tick)
        if self._ahead_by_s:
            self._leave_proof(now)
            self._ahead_by_s = 0.0
        if self._back_s:
            self._right.came_back(now, tick, self._back_s)
            self._back_s = 0.0
        self._right.again(now, tick)

    def _leave_proof(self, now: datetime) -> None:
        """Whoever is there when it is put right knows by this that it was ahead."""
        put_right.keep(now, self._ahead_by_s)
        if self._worker:
            Worker.objects.filter(pk=self._worker.pk).update(seen_at=now)

    def _begin(self, now: datetime, tick: float) -> None:
        """Nobody may have been there when the clock was put right, but some were seen in what is still to come."""
        latest = Worker.objects.aggregate(latest=Max("seen_at"))["latest"]
        jumped_at = put_right.latest(now, timedelta(seconds=MOST_WAIT_S))
        self._right.begin(now, tick)
        self._has_begun = True
        if jumped_at is not None:  # what is left of the window, others would have waited for
            self._jumped_at = tick - max(0.0, (now - jumped_at).total_seconds())
        if latest and latest > now + CLOCK_SKEW:
            self._jumped((now - latest).total_seconds(), tick)

    def must_wait(self, now: datetime, tick: float) -> bool:
        """Whether the clock jumped less than a window ago, of those that are at most a minute long."""
        self.notice(now, tick)
        if self._jumped_at is not None:
            self._until, self._jumped_at = max(self._until, self._jumped_at + _window_s()), None
        return tick < self._until

    def tells_ages(self, now: datetime, tick: float) -> bool:
        """Not lately after a jump, nor after the first look: who knows what was before."""
        self.notice(now, tick)
        return tick >= self._even_since + self._ages_s


def slept_s() -> float:
    """How long this machine has been asleep so far: one of two clocks goes on meanwhile, on macOS the one which Linux
    calls monotonic."""
    return time.clock_gettime(WHILE_ASLEEP) - time.monotonic()


def _window_s() -> float:
    longest = Quota.objects.filter(window_s__lte=LONG_S).aggregate(most=Max("window_s"))["most"]
    return min(MOST_WAIT_S, longest + guard_of(longest)) if longest else 0.0
