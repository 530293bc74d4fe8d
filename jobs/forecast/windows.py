"""What `providers.limits.room` says, kept up to date use by use instead of summed anew: a test holds them equal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from providers.limits import Window


class Meter:
    """One quota on the virtual clock."""

    __slots__ = ("amount", "span", "taken", "uses")

    def __init__(self, window: Window, used: Iterable[tuple[float, int]] = ()) -> None:
        self.amount, self.span = window.amount, window.seconds + window.guard_s
        self.uses: deque[tuple[float, int]] = deque(used)  # oldest first
        self.taken = sum(units for _, units in self.uses)

    def free_at(self, want: int, now: float) -> float:
        """The moment at which so many units are free; `now` when they are."""
        uses = self.uses
        while uses and uses[0][0] + self.span <= now:
            self.taken -= uses.popleft()[1]
        want, free = min(want, self.amount), self.amount - self.taken
        if free >= want:
            return now
        for at, units in uses:
            free += units
            if free >= want:
                return at + self.span
        return now + self.span

    def take(self, units: int, now: float) -> float:
        """Uses them as they come free; the moment of the last. More than are free are wanted only in coarse runs."""
        while units > 0:
            while (at := self.free_at(1, now)) > now:
                now = at
            some = min(units, max(1, self.amount - self.taken))
            self.uses.append((now, some))
            self.taken += some
            units -= some
        return now
