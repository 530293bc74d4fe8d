"""How vendors count: four manners, each asked before it takes. Pure; all times in virtual seconds."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

UNITS = ("requests", "tokens", "images", "characters")
POLICIES = ("sliding", "fixed", "bucket", "sliced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many units per window, in the vendor's own manner of counting."""

    most: int
    per_s: float
    unit: str = "requests"
    policy: str = "sliding"
    capacity: int = 0  # of a bucket; 0 = as much as a window
    slice_s: float = 1.0  # of a sliced window: 60,000 a minute enforced as 1,000 a second


@dataclass(frozen=True, slots=True)
class Told:
    """What headers say of a limit: `reset_s` until nothing of it is used any more."""

    most: int
    remaining: int
    reset_s: float


class Sliding:
    """At most so many in any half-open window (t - per_s, t]."""

    def __init__(self, most: int, per_s: float) -> None:
        self.most, self.per_s, self.used = most, per_s, 0
        self._log: deque[list[float]] = deque()

    def _forget(self, now: float) -> None:
        while self._log and self._log[0][0] <= now - self.per_s:
            self.used -= int(self._log.popleft()[1])

    def wait_s(self, amount: int, now: float) -> float:
        self._forget(now)
        over = self.used + amount - self.most
        if over <= 0:
            return 0.0
        for at, taken in self._log:
            over -= int(taken)
            if over <= 0:
                return max(at + self.per_s - now, 1e-9)  # rounding must not make it none
        return self.per_s  # more than a whole window: never

    def take(self, amount: int, now: float) -> None:
        self._log.append([now, amount])
        self.used += amount

    def give_back(self, amount: int, taken_at: float, now: float) -> None:
        self._forget(now)
        for entry in self._log:
            if entry[0] == taken_at and entry[1] >= amount:
                entry[1] -= amount
                self.used -= amount
                return

    def told(self, now: float) -> Told:
        self._forget(now)
        reset_s = self._log[-1][0] + self.per_s - now if self._log else 0.0
        return Told(self.most, max(0, self.most - self.used), reset_s)


class Fixed:
    """At most so many from one full minute (or whatever the window is) of the vendor's clock to the next."""

    def __init__(self, most: int, per_s: float) -> None:
        self.most, self.per_s, self.used, self._window = most, per_s, 0, -1

    def _turn(self, now: float) -> None:
        if (window := math.floor(now / self.per_s)) != self._window:
            self._window, self.used = window, 0

    def _left_s(self, now: float) -> float:
        return (self._window + 1) * self.per_s - now

    def wait_s(self, amount: int, now: float) -> float:
        self._turn(now)
        return self._left_s(now) if self.used + amount > self.most else 0.0

    def take(self, amount: int, now: float) -> None:
        self._turn(now)
        self.used += amount

    def give_back(self, amount: int, taken_at: float, now: float) -> None:
        self._turn(now)
        if math.floor(taken_at / self.per_s) == self._window:
            self.used -= amount

    def told(self, now: float) -> Told:
        self._turn(now)
        return Told(self.most, max(0, self.most - self.used), self._left_s(now) if self.used else 0.0)


class Bucket:
    """Filled evenly up to its capacity; a request takes out what it needs, if that is in it."""

    def __init__(self, most: int, per_s: float, capacity: int) -> None:
        self.most, self.rate, self.capacity = most, most / per_s, capacity
        self._level, self._at = float(capacity), -math.inf

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._level = min(float(self.capacity), self._level + (now - self._at) * self.rate)
            self._at = now

    def wait_s(self, amount: int, now: float) -> float:
        self._fill(now)
        short = amount - self._level
        return short / self.rate if short > 1e-9 else 0.0

    def take(self, amount: int, now: float) -> None:
        self._fill(now)
        self._level = max(0.0, self._level - amount)

    def give_back(self, amount: int, taken_at: float, now: float) -> None:
        self._fill(now)
        self._level = min(float(self.capacity), self._level + amount)

    def told(self, now: float) -> Told:
        self._fill(now)
        return Told(self.most, int(self._level), (self.capacity - self._level) / self.rate)


class Sliced(Sliding):
    """Tells of the whole window and enforces its slices: 60 a minute may mean one a second."""

    def __init__(self, most: int, per_s: float, slice_s: float) -> None:
        super().__init__(most, per_s)
        self._slice = Fixed(per_slice(most, per_s, slice_s), slice_s)

    def wait_s(self, amount: int, now: float) -> float:
        return self._slice.wait_s(amount, now)

    def take(self, amount: int, now: float) -> None:
        self._slice.take(amount, now)
        super().take(amount, now)

    def give_back(self, amount: int, taken_at: float, now: float) -> None:
        self._slice.give_back(amount, taken_at, now)
        super().give_back(amount, taken_at, now)


def per_slice(most: int, per_s: float, slice_s: float) -> int:
    return max(1, math.floor(most * slice_s / per_s + 1e-9))


Meter = Sliding | Fixed | Bucket


def meter_of(limit: Limit) -> Meter:
    match limit.policy:
        case "fixed":
            return Fixed(limit.most, limit.per_s)
        case "bucket":
            return Bucket(limit.most, limit.per_s, limit.capacity or limit.most)
        case "sliced":
            return Sliced(limit.most, limit.per_s, limit.slice_s)
    return Sliding(limit.most, limit.per_s)
