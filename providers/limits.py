"""How much a quota has room for, and when. Pure arithmetic on times in seconds; shared by claim and forecast.

`Window` and `room` answer for one moment; `Meter` keeps count while places are given away, also ahead of time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import accumulate, chain
from math import sqrt

Use = tuple[float, int]  # (moment, units)

GUARD_SHARE = 0.003  # of the window
STRICT_SHARE = 0.03  # of the window, where one refusal costs dearly
LEAST_GUARD_S = 0.02  # what lies between our look at the clock and the byte
LONG_S = 600.0  # longer windows are counted by the hour, from the moment of the claim
LONG_GUARD_S = 20.0  # a request leaves at most so much later than it was claimed
COVERED_S = 0.01  # a delay that the least guard covers with ease
GUARD_FADES = 0.9995  # with every request
CLEAN_WINDOWS = 10  # without a refusal, then bursts are tried again
MOST_IN_ROW = 5  # failures
ENOUGH_TO_JUDGE = 10  # calls that ended within a minute
FIRST_BREAK_S, LONGEST_BREAK_S = 5.0, 300.0
ENOUGH_SEEN, MOST_SEEN = 40, 400  # answers from which is learned what reserved units come to
UNLUCKY = 3.0  # standard deviations that are kept free
KEPT_ANSWERS = 32  # of a meter about when units fit
PACE_MARGIN = 0.03  # even pacing keeps so much more distance than the quota asks for


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """So many units in every stretch of `seconds`; `guard_s` keeps two clocks from disagreeing at its edge.

    `paced`: no bursts either; a use of u units keeps the next away for its share of the window.
    """

    amount: int
    seconds: float
    guard_s: float = 0.0
    paced: bool = False

    @property
    def span_s(self) -> float:
        return self.seconds + self.guard_s

    def pace_s(self, units: int) -> float:
        return min(units, self.amount) * self.seconds / self.amount * (1 + PACE_MARGIN)


def guard_of(window_s: float, learned_s: float = 0.0, *, strict: bool = False) -> float:
    """How much longer than the vendor we count a use.

    Two requests can come closer together at the vendor than they were here, by as much as their ways there differ:
    0.3 % of the window to begin with, and never less than what was seen.
    """
    least = LONG_GUARD_S if window_s > LONG_S else LEAST_GUARD_S
    return max(least, window_s * (STRICT_SHARE if strict else GUARD_SHARE), learned_s)


def room(window: Window, used: Sequence[Use], now: float, *, want: int = 1) -> tuple[int, float]:
    """(units free now, when `want` units will be free), from the (time, units) used so far, oldest first.

    A use counts from its time to one window and guard later, the end not included; one that lies ahead counts, too.
    `want` above the whole quota can never be granted in one: it is treated as the whole quota, so that nothing waits
    for ever.
    """
    live = [(at, units) for at, units in used if at + window.span_s > now]
    free = window.amount - sum(units for _, units in live)
    want = min(want, window.amount)
    if free >= want:
        return free, now
    gained = free
    for at, units in live:
        gained += units
        if gained >= want:
            return max(free, 0), at + window.span_s
    return max(free, 0), now + window.span_s


def learned_guard(guard_s: float, delays_s: Sequence[float]) -> float:
    """The guard a lane has learned, after a few more requests that took so long from our stamp until they had left.

    It grows at once to the longest delay and the least guard on top, and fades slowly. Short delays are covered anyway.
    """
    longest = max(delays_s, default=0.0)
    needed = longest + LEAST_GUARD_S if longest > COVERED_S else 0.0
    if needed < guard_s:
        needed = max(needed, guard_s * GUARD_FADES ** len(delays_s))
    return needed if needed > LEAST_GUARD_S else 0.0


def is_broken(in_row: int, failed_at: Sequence[float], ended: int, now: float) -> bool:
    """Whether to stop sending: too many failures in a row, or more than half of those that ended in a minute."""
    lately = sum(at > now - 60 for at in failed_at)
    return in_row >= MOST_IN_ROW or (ended >= ENOUGH_TO_JUDGE and lately * 2 > ended)


def break_s(times: int) -> float:
    """For how long, the n-th time in a row."""
    return min(LONGEST_BREAK_S, FIRST_BREAK_S * 2.0 ** min(max(0, times - 1), 10))


def clean_s(window_s: float, times: int) -> float:
    """How long a lane is paced after a refusal: ten windows, twice as long each time that trying again was in vain."""
    return window_s * CLEAN_WINDOWS * 2.0 ** min(max(0, times - 1), 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """What a vendor counts in the end, as a share of what was reserved: learned from answers, `seen` so many."""

    seen: int = 0
    mean: float = 1.0
    variance: float = 0.0

    @property
    def is_known(self) -> bool:
        return self.seen >= ENOUGH_SEEN

    def learned(self, shares: Iterable[float]) -> Reckoning:
        """With a few more; what is long past fades."""
        seen, mean, variance = self.seen, self.mean if self.seen else 0.0, self.variance
        for share in shares:
            seen += 1
            weight = max(1 / seen, 1 / MOST_SEEN)
            step = share - mean
            mean += weight * step
            variance = (1 - weight) * (variance + weight * step * step)
        return Reckoning(seen=min(seen, MOST_SEEN), mean=mean, variance=variance)

    def bound(self, reserved: float, squares: float) -> float:
        """The most that calls will count for which so much was reserved (its sum, and the sum of its squares)."""
        if not self.is_known:
            return reserved
        spread = self.variance * (squares + reserved * reserved / self.seen)  # theirs, and that of what we know of them
        likely = self.mean * reserved + UNLUCKY * sqrt(spread)
        return likely if self.mean >= 1 else min(reserved, likely)


class Meter:
    """What a window still grants. Give away in the order of moments: `at = when(units, now)`, then `take(units, at)`.

    `planned` is the last use by plan (moment, units), from which even pacing counts: what left a little late does not
    push back all that follow.
    """

    def __init__(self, window: Window, used: Iterable[Use], now: float, *, planned: Use | None = None) -> None:
        self.window = window
        self._uses = sorted(use for use in used if use[0] + window.span_s > now)
        self._sum = sum(units for _, units in self._uses)
        self._planned = planned

    def when(self, units: int, now: float) -> float:
        """The earliest moment at which so many units are free: `now` or later."""
        at = max(now, self._free_at(units, now))
        if self.window.paced and self._planned is not None:
            last, before = self._planned
            at = max(at, last + self.window.pace_s(before))
        return at

    def _free_at(self, units: int, now: float) -> float:
        free = self.window.amount - self._sum
        want = min(units, self.window.amount)
        if free >= want:
            return now
        for at, gained in self._uses:
            free += gained
            if free >= want:
                return at + self.window.span_s
        return now + self.window.span_s

    def take(self, units: int, at: float) -> None:
        insort(self._uses, (at, units))
        self._sum += units
        self._plan(units, at)

    def _plan(self, units: int, at: float) -> None:
        if self._planned is None or at >= self._planned[0]:
            self._planned = (at, units)

    @property
    def used(self) -> int:
        return self._sum


class MixedMeter(Meter):
    """A meter for calls that differ, and whose units may be known only when they are answered, such as tokens.

    A small use may come before a large one that has its place already, where it holds that one up by nothing
    (backfilling). `out` are uses so far only reserved: many together come near their mean, so that not each of them
    has to keep all that was reserved for it.
    """

    def __init__(
        self,
        window: Window,
        used: Iterable[Use],
        now: float,
        *,
        planned: Use | None = None,
        out: Iterable[Use] = (),
        reckoning: Reckoning | None = None,
    ) -> None:
        super().__init__(window, used, now, planned=planned)
        self.reckoning = reckoning or Reckoning()
        self._settled, self._out = _Sums(self._uses, window.span_s), _Sums(sorted(out), window.span_s)
        self._found: deque[tuple[int, float, float]] = deque(maxlen=KEPT_ANSWERS)  # (units, not before, when they fit)

    def _free_at(self, units: int, now: float) -> float:
        """The first moment from which so much fits beside all that lies ahead, for as long as it counts."""
        want = min(units, self.window.amount)
        # Where less had no room a moment ago there is none now: it only becomes fuller while places are given away.
        first = max((at for less, since, at in self._found if less <= want and since <= now), default=now)
        at = self._first_fit(want, max(now, first))
        self._found.append((want, now, at))
        return at

    def _first_fit(self, want: int, now: float) -> float:
        for at in merge([now], self._settled.ends_after(now), self._out.ends_after(now)):
            until = at + self.window.span_s
            ahead = chain([at], self._settled.starts_between(at, until), self._out.starts_between(at, until))
            if all(self._with(want, moment) <= self.window.amount for moment in ahead):
                return at
        return now + self.window.span_s

    def _with(self, units: int, moment: float) -> float:
        """What counts at a moment, together with so much more."""
        settled, _ = self._settled.at(moment)
        reserved, squares = self._out.at(moment)
        if not settled and not reserved:
            return units  # alone it may take all there is: else what comes to more than was reserved would never leave
        return settled + self.reckoning.bound(reserved + units, squares + units * units)

    def take(self, units: int, at: float) -> None:
        self._out.add((at, units))
        self._plan(units, at)


class _Sums:
    """Uses of which each counts for so long, and what they are together at any moment: their sum, that of squares."""

    def __init__(self, uses: Iterable[Use], span_s: float) -> None:
        self.span_s = span_s
        self.uses = list(uses)
        self._sum_up()

    def _sum_up(self) -> None:
        self.starts = [at for at, _ in self.uses]
        self.ends = [at + self.span_s for at in self.starts]
        self.sums = [0, *accumulate(units for _, units in self.uses)]
        self.squares = [0, *accumulate(units * units for _, units in self.uses)]

    def add(self, use: Use) -> None:
        insort(self.uses, use)
        self._sum_up()

    def at(self, moment: float) -> tuple[int, int]:
        last, first = bisect_right(self.starts, moment), bisect_right(self.ends, moment)
        return self.sums[last] - self.sums[first], self.squares[last] - self.squares[first]

    def ends_after(self, moment: float) -> list[float]:
        return self.ends[bisect_right(self.ends, moment) :]

    def starts_between(self, after: float, before: float) -> list[float]:
        return self.starts[bisect_right(self.starts, after) : bisect_left(self.starts, before)]
