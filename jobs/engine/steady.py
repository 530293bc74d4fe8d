"""A wall clock that jumps makes our log of a window worthless: nothing more is sent until one window has passed.

It also makes jobs older than they are: none is ended for its age until there was time to ask about each of them.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db.models import Max

from providers.limits import LONG_S, guard_of
from providers.models import Quota

log = logging.getLogger(__name__)
JUMP_S = 1.0  # smaller differences to the clock that only goes forward are its everyday correction
MOST_WAIT_S = 60.0
AGES_S = 300.0  # so long a clock has to go evenly before ages are believed: several polls of each job


class Steady:
    """Compares the wall clock with the monotonic one, from round to round."""

    def __init__(self, ages_s: float = AGES_S) -> None:
        self._ages_s = ages_s
        self._ahead_s: float | None = None  # of the wall clock
        self._until = float("-inf")  # of the monotonic clock
        self._even_since = float("inf")

    def must_wait(self, now: datetime, tick: float) -> bool:
        """Whether the clock jumped less than a window ago, of those that are at most a minute long."""
        self._look(now, tick)
        return tick < self._until

    def tells_ages(self, now: datetime, tick: float) -> bool:
        """Not lately after a jump, nor after the first look: who knows what was before."""
        self._look(now, tick)
        return tick >= self._even_since + self._ages_s

    def _look(self, now: datetime, tick: float) -> None:
        ahead_s = now.timestamp() - tick
        if self._ahead_s is None:
            self._even_since = tick
        elif abs(ahead_s - self._ahead_s) > JUMP_S:
            wait_s = _window_s()
            self._until, self._even_since = max(self._until, tick + wait_s), tick
            log.warning("the clock jumped by %.1f s; vendors wait for %.1f s", ahead_s - self._ahead_s, wait_s)
        self._ahead_s = ahead_s


def _window_s() -> float:
    longest = Quota.objects.filter(window_s__lte=LONG_S).aggregate(most=Max("window_s"))["most"]
    return min(MOST_WAIT_S, longest + guard_of(longest)) if longest else 0.0
