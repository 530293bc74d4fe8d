"""How much a quota has room for. Pure arithmetic on times in seconds; shared by claim and forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """So many units in every stretch of `seconds`; `guard_s` keeps two clocks from disagreeing at its edge."""

    amount: int
    seconds: float
    guard_s: float = 0.0


def guard_of(window_s: float) -> float:
    """Jitter on the way can bring two requests closer together at the vendor: half a percent, at least 50 ms."""
    return max(0.05, window_s * 0.005)


def room(window: Window, used: Sequence[tuple[float, int]], now: float, *, want: int = 1) -> tuple[int, float]:
    """(units free now, when `want` units will be free), from the (time, units) used so far, oldest first.

    A use counts from its time to one window and guard later, the end not included. `want` above the whole quota
    can never be granted in one: it is treated as the whole quota, so that nothing waits for ever.
    """
    span = window.seconds + window.guard_s
    live = [(at, units) for at, units in used if at + span > now]
    free = window.amount - sum(units for _, units in live)
    want = min(want, window.amount)
    if free >= want:
        return free, now
    gained = free
    for at, units in live:
        gained += units
        if gained >= want:
            return max(free, 0), at + span
    return max(free, 0), now + span
