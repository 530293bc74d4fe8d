"""What is let in, and what the books say about it afterwards. Pure; all times in virtual seconds."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from .meters import Bucket, Limit, Told, meter_of, per_slice

Counts = Mapping[str, int]  # what one request takes of each unit


@dataclass(frozen=True, slots=True)
class Refusal:
    why: str  # "429 window", "429 concurrency" or "429 lockout"
    wait_s: float


class Gate:
    """All limits of one vendor's submits. Asked in the order of arrival: its time never goes back."""

    def __init__(self, limits: Sequence[Limit], *, refused_count: bool = False, lockout_s: float = 0.0) -> None:
        self.limits = limits
        self._meters = [(limit.unit, meter_of(limit)) for limit in limits]
        self._refused_count, self._lockout_s = refused_count, lockout_s
        self._now, self._locked_until = -math.inf, -math.inf
        self._unused: list[tuple[float, float, str, int]] = []  # heap of (due, taken at, unit, amount)

    def admit(self, counts: Counts, *, now: float, ends: Sequence[float] = (), concurrency: int = 0) -> Refusal | None:
        """`ends`: when each living job will be over. `concurrency` 0 = any number at once."""
        now = self._now = max(now, self._now)
        self._give_back(now)
        refusal = self._refusal(counts, now, ends, concurrency)
        self.note(counts, now=now, refused=refusal.why if refusal else "")
        if refusal and now < self._locked_until:
            return Refusal(refusal.why, max(refusal.wait_s, self._locked_until - now))
        return refusal

    def _refusal(self, counts: Counts, now: float, ends: Sequence[float], concurrency: int) -> Refusal | None:
        if now < self._locked_until:
            return Refusal("429 lockout", self._locked_until - now)
        waits = [meter.wait_s(counts.get(unit, 0), now) for unit, meter in self._meters]
        if wait_s := max(waits, default=0.0):
            return Refusal("429 window", wait_s)
        if concurrency and len(ends) >= concurrency:
            return Refusal("429 concurrency", min(min(ends) - now, 60.0))
        return None

    def note(self, counts: Counts, *, now: float, refused: str = "") -> None:
        """Counts a request; also to remember, after a restart, what the books say of earlier ones."""
        if not refused or self._refused_count:
            for unit, meter in self._meters:
                meter.take(counts.get(unit, 0), now)
        if self._lockout_s and refused in ("429 window", "429 concurrency"):
            self._locked_until = now + self._lockout_s

    def give_back_later(self, unit: str, amount: int, *, taken_at: float, due_at: float) -> None:
        """What was reserved and not used is free again when the answer is there."""
        if amount > 0:
            heapq.heappush(self._unused, (due_at, taken_at, unit, amount))

    def _give_back(self, now: float) -> None:
        while self._unused and self._unused[0][0] <= now:
            _, taken_at, unit, amount = heapq.heappop(self._unused)
            for name, meter in self._meters:
                if name == unit:
                    meter.give_back(amount, taken_at, now)

    def told(self, now: float) -> dict[str, Told]:
        """By unit, of the limit with the smallest share left."""
        found: dict[str, Told] = {}
        for unit, meter in self._meters:
            told = meter.told(max(now, self._now))
            if unit not in found or told.remaining / told.most < found[unit].remaining / found[unit].most:
                found[unit] = told
        return found

    @property
    def memory_s(self) -> float:
        """How far back the books matter."""
        windows = [max(limit.per_s, limit.capacity * limit.per_s / limit.most) for limit in self.limits]
        return max([self._lockout_s, *windows]) + 1.0


# -- afterwards ------------------------------------------------------------------------------------


def most_in_a_window(accepted: Sequence[float], per_s: float, amounts: Sequence[int] = ()) -> int:
    """The fullest sliding window; each counts 1, or its amount."""
    sums = [0, *accumulate(amounts or [1] * len(accepted))]
    most = first = 0
    for last, moment in enumerate(accepted):
        while accepted[first] <= moment - per_s:
            first += 1
        most = max(most, sums[last + 1] - sums[first])
    return most


def most_in_a_fixed_window(accepted: Sequence[float], per_s: float, amounts: Sequence[int] = ()) -> int:
    windows: dict[int, int] = {}
    for moment, amount in zip(accepted, amounts or [1] * len(accepted), strict=True):
        window = math.floor(moment / per_s)
        windows[window] = windows.get(window, 0) + amount
    return max(windows.values(), default=0)


def most_out_of_a_bucket(accepted: Sequence[float], limit: Limit, amounts: Sequence[int]) -> int:
    """How much of its capacity was ever out at once."""
    bucket = Bucket(limit.most, limit.per_s, limit.capacity or limit.most)
    left = bucket.capacity
    for moment, amount in zip(accepted, amounts, strict=True):
        bucket.take(amount, moment)
        left = min(left, bucket.told(moment).remaining)
    return bucket.capacity - left


def fullest(limit: Limit, accepted: Sequence[float], amounts: Sequence[int]) -> tuple[int, int]:
    """(what one window held at most, what it may hold), by the limit's own way of counting."""
    match limit.policy:
        case "fixed":
            return most_in_a_fixed_window(accepted, limit.per_s, amounts), limit.most
        case "bucket":
            return most_out_of_a_bucket(accepted, limit, amounts), limit.capacity or limit.most
        case "sliced":
            allowed = per_slice(limit.most, limit.per_s, limit.slice_s)
            return most_in_a_fixed_window(accepted, limit.slice_s, amounts), allowed
    return most_in_a_window(accepted, limit.per_s, amounts), limit.most


def allowed_in(limit: Limit, first: float, last: float) -> float:
    """The most that anybody could have been let in from the first accepted request to the last."""
    match limit.policy:
        case "bucket":
            return (limit.capacity or limit.most) + (last - first) * limit.most / limit.per_s
        case "fixed":
            return limit.most * _windows(first, last, limit.per_s)
        case "sliced":
            return per_slice(limit.most, limit.per_s, limit.slice_s) * _windows(first, last, limit.slice_s)
    return limit.most * (math.floor((last - first) / limit.per_s) + 1)


def _windows(first: float, last: float, per_s: float) -> int:
    """How many windows of the vendor's clock were touched."""
    return math.floor(last / per_s) - math.floor(first / per_s) + 1


def most_at_once(lives: Sequence[tuple[float, float | None]]) -> int:
    """Of lives (from, until); one that ends as another begins makes room for it."""
    changes = [(start, 1) for start, _ in lives]
    changes += [(math.inf if end is None else end, -1) for _, end in lives]
    most = alive = 0
    for _, change in sorted(changes):
        alive += change
        most = max(most, alive)
    return most
