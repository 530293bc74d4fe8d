"""What `providers.limits` says, kept up to date use by use instead of summed anew: a test holds them equal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import inf

from providers.limits import Window


class Meter:
    """One quota on the virtual clock."""

    __slots__ = ("amount", "free_from", "span", "taken", "uses", "window")

    def __init__(self, window: Window, used: Iterable[tuple[float, int]] = ()) -> None:
        self.window, self.amount, self.span = window, window.amount, window.span_s
        self.uses: deque[tuple[float, int]] = deque(used)  # oldest first
        self.taken = sum(units for _, units in self.uses)
        self.free_from = -inf  # of an evenly paced one

    def free_at(self, want: int, now: float) -> float:
        """The moment at which so many units are free; `now` when they are."""
        uses = self.uses
        while uses and uses[0][0] + self.span <= now:
            self.taken -= uses.popleft()[1]
        want, free = min(want, self.amount), self.amount - self.taken
        if free >= want:
            return max(now, self.free_from)
        for at, units in uses:
            free += units
            if free >= want:
                return max(at + self.span, self.free_from)
        return max(now + self.span, self.free_from)

    def take(self, units: int, now: float) -> float:
        """Uses them as they come free; the moment of the last. More than are free are wanted only in coarse runs."""
        while units > 0:
            while (at := self.free_at(1, now)) > now:
                now = at
            some = 1 if self.window.paced else min(units, max(1, self.amount - self.taken))
            self.uses.append((now, some))
            self.taken += some
            units -= some
            if self.window.paced:
                self.free_from = now + self.window.pace_s(some)
        return now
