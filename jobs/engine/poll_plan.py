"""Where to place polls so that a job's end is known soon after so few of them. Pure arithmetic over durations.

With h(t) the chance that a job which still runs at age t ends in the next moment, so many polls see the end soonest
when their density follows the square root of h. The durations of like jobs give h: straight pieces of their
distribution, as many as they carry. Below the fastest there is nothing to ask; beyond the slowest, steps grow.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

MOST_POLLS = 19.0  # of a job, on average
DELAY_SHARE = 0.005  # of the median duration: a mean delay that needs no more polls than that
LEAST_GAP_S = 0.05
LEAST_GAP_SHARE = 0.005  # of the median duration
LONGEST_GAP_SHARE = 0.04  # of the slowest duration, between the fastest and the slowest
STEP_SHARE = 0.02  # of the slowest duration, beyond it
OVERDUE_SHARE = 0.2  # of what a job takes longer than the slowest
MOST_STEP_S = 60.0
PIECE = 8  # durations make one straight piece of their distribution
MOST_PIECES = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """Ages between which equal shares of the jobs end. A job is asked whenever its mark has grown by one."""

    ages: tuple[float, ...]
    alive: tuple[float, ...]  # share of the jobs that still run at that age
    marks: tuple[float, ...]  # polls of a job until that age
    least_gap_s: float

    @property
    def fastest_s(self) -> float:
        return self.ages[0]

    @property
    def slowest_s(self) -> float:
        return self.ages[-1]

    def next_age(self, age_s: float) -> float:
        """The age at which to ask a job that still runs at this one."""
        if age_s >= self.slowest_s:
            return age_s + self._late_step(age_s)
        planned = self._age(self._mark(age_s) + 1.0)
        if age_s > self.fastest_s:
            planned = min(planned, age_s + LONGEST_GAP_SHARE * self.slowest_s)
        return max(planned, age_s + self.least_gap_s)

    def gap_before(self, age_s: float) -> float:
        """About how long before this age a job was last asked, or may have begun to end."""
        if age_s > self.slowest_s:
            return min(self._late_step(age_s), age_s - self.fastest_s)
        return max(0.0, age_s - self._age(self._mark(age_s) - 1.0))

    def _late_step(self, age_s: float) -> float:
        step = max(self.least_gap_s, STEP_SHARE * self.slowest_s, OVERDUE_SHARE * (age_s - self.slowest_s))
        return min(step, MOST_STEP_S)

    def _mark(self, age_s: float) -> float:
        """Within a piece it grows as the root of those alive falls."""
        at = bisect_right(self.ages, age_s) - 1
        if at < 0:
            return 0.0
        if at >= len(self.ages) - 1:
            return self.marks[-1]
        share = (age_s - self.ages[at]) / (self.ages[at + 1] - self.ages[at])
        here = sqrt(self.alive[at] + share * (self.alive[at + 1] - self.alive[at]))
        first, last = sqrt(self.alive[at]), sqrt(self.alive[at + 1])
        return self.marks[at] + (first - here) / (first - last) * (self.marks[at + 1] - self.marks[at])

    def _age(self, mark: float) -> float:
        at = bisect_right(self.marks, mark) - 1
        if at < 0:
            return self.fastest_s
        if at >= len(self.marks) - 1:
            return self.slowest_s
        share = (mark - self.marks[at]) / (self.marks[at + 1] - self.marks[at])
        first, last = sqrt(self.alive[at]), sqrt(self.alive[at + 1])
        gone = self.alive[at] - (first - share * (first - last)) ** 2
        part = gone / (self.alive[at] - self.alive[at + 1])
        return self.ages[at] + part * (self.ages[at + 1] - self.ages[at])


@lru_cache(maxsize=256)
def plan_of(durations: tuple[float, ...], *, least_step_s: float, most_polls: float = MOST_POLLS) -> Plan | None:
    """None while no like job has ended. `least_step_s`: between two polls of one job, on average."""
    if not durations:
        return None
    seen = sorted(durations)
    middle = max(seen[len(seen) // 2], 0.001)
    ages = _knots(seen, middle)
    pieces = len(ages) - 1
    alive = [1 - at / pieces for at in range(pieces + 1)]
    roots = [sqrt((ages[at + 1] - ages[at]) * pieces) for at in range(pieces)]  # of a piece: one over the root of h
    asked = sum(root * 2 / 3 * (alive[at] ** 1.5 - alive[at + 1] ** 1.5) for at, root in enumerate(roots))
    waiting_s = sum((ages[at + 1] - ages[at]) * (alive[at] + alive[at + 1]) / 2 for at in range(pieces))
    enough = asked**2 / (2 * DELAY_SHARE * middle)
    polls = max(1.0, min(enough, most_polls, waiting_s / least_step_s) - 0.5)  # the last one sees the end: half more
    marks = [0.0]
    for at, root in enumerate(roots):
        marks.append(marks[-1] + polls / asked * 2 * root * (sqrt(alive[at]) - sqrt(alive[at + 1])))
    return Plan(tuple(ages), tuple(alive), tuple(marks), max(LEAST_GAP_S, LEAST_GAP_SHARE * middle))


def _knots(seen: list[float], middle: float) -> list[float]:
    """The outer ones lie as far out as so few durations leave open."""
    count = len(seen)
    pieces = max(1, min(count // PIECE, MOST_PIECES))
    inner = [_quantile(seen, at / pieces) for at in range(1, pieces)]
    low_end, high_start = (inner[0], inner[-1]) if inner else (seen[-1], seen[0])
    steps = (count + 1) / pieces - 1 if inner else max(count - 1, 1)  # durations in an outer piece
    below = max((low_end - seen[0]) / steps, 0.3 * middle / count)
    above = max((seen[-1] - high_start) / steps, 0.5 * middle / count)
    knots = [max(0.0, seen[0] - below), *inner, seen[-1] + above]
    least = 0.001 * middle / pieces
    for at in range(1, len(knots)):
        knots[at] = max(knots[at], knots[at - 1] + least)
    return knots


def _quantile(seen: list[float], share: float) -> float:
    at = share * (len(seen) + 1) - 1
    low = min(max(int(at), 0), len(seen) - 2)
    return seen[low] + (at - low) * (seen[low + 1] - seen[low])
