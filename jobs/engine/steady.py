"""A wall clock that jumps makes our log of a window worthless: nothing more is sent until one window has passed."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db.models import Max

from providers.limits import LONG_S, guard_of
from providers.models import Quota

log = logging.getLogger(__name__)
JUMP_S = 1.0  # smaller differences to the clock that only goes forward are its everyday correction
MOST_WAIT_S = 60.0


class Steady:
    """Compares the wall clock with the monotonic one, from round to round."""

    def __init__(self) -> None:
        self._ahead_s: float | None = None  # of the wall clock
        self._until = float("-inf")  # of the monotonic clock

    def must_wait(self, now: datetime, tick: float) -> bool:
        """Whether the clock jumped less than a window ago, of those that are at most a minute long."""
        ahead_s = now.timestamp() - tick
        if self._ahead_s is not None and abs(ahead_s - self._ahead_s) > JUMP_S:
            wait_s = _window_s()
            self._until = max(self._until, tick + wait_s)
            log.warning("the clock jumped by %.1f s; vendors wait for %.1f s", ahead_s - self._ahead_s, wait_s)
        self._ahead_s = ahead_s
        return tick < self._until


def _window_s() -> float:
    longest = Quota.objects.filter(window_s__lte=LONG_S).aggregate(most=Max("window_s"))["most"]
    return min(MOST_WAIT_S, longest + guard_of(longest)) if longest else 0.0
