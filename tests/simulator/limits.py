"""What is let in, and what the books say about it afterwards. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many accepted requests in any half-open window (t - per_s, t]."""

    requests: int
    per_s: float


@dataclass(frozen=True, slots=True)
class Refusal:
    why: str  # "429 window" or "429 concurrency"
    wait_s: float


def admit(
    accepted: Sequence[float], ends: Sequence[float], *, now: float, limits: Sequence[Limit], concurrency: int
) -> Refusal | None:
    """`accepted`: times of accepted requests, ascending. `ends`: when each living job will be over. 0 = no limit."""
    waits = [
        accepted[-limit.requests] + limit.per_s - now
        for limit in limits
        if len(accepted) >= limit.requests and accepted[-limit.requests] > now - limit.per_s
    ]
    if waits:
        return Refusal("429 window", max(waits))
    if concurrency and len(ends) >= concurrency:
        return Refusal("429 concurrency", min(min(ends) - now, 60.0))
    return None


def most_in_a_window(accepted: Sequence[float], per_s: float) -> int:
    most = first = 0
    for last, moment in enumerate(accepted):
        while accepted[first] <= moment - per_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def most_at_once(lives: Sequence[tuple[float, float | None]]) -> int:
    """Of lives (from, until); one that ends as another begins makes room for it."""
    changes = [(start, 1) for start, _ in lives]
    changes += [(math.inf if end is None else end, -1) for _, end in lives]
    most = alive = 0
    for _, change in sorted(changes):
        alive += change
        most = max(most, alive)
    return most
