"""How soon work can be over at all, by quota, places and latencies. Seconds throughout.

`achievable` is for a client that does not know latencies beforehand; a clairvoyant one could be a little sooner.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import pstdev


def achievable(count: int, *, amount: int, window_s: float, latency_s: tuple[float, float]) -> float:
    """Full windows as early as they may be, then the longest of the last wave, latencies being uniform.

    Holds for a sliding window, a fixed one that begins with the first request, and every other policy that lets in
    `amount` at once, then again `amount` a window later.
    """
    full = (count - 1) // amount
    last_wave = count - full * amount
    low, high = latency_s
    return full * window_s + low + (high - low) * last_wave / (last_wave + 1)


def token_bucket(count: int, *, capacity: int, per_s: float, latency_s: tuple[float, float]) -> float:
    """A full bucket at once, then one by one: the last decides, or one shortly before it that lasts longer."""
    low, high = latency_s
    last = max(0, count - capacity) / per_s
    return last + _latest_of_a_stream(per_s, low, high, min(count, 10_000))


def _latest_of_a_stream(per_s: float, low: float, high: float, count: int) -> float:
    """Expected end, after the last start, of calls started `1 / per_s` apart that take low..high each.

    E[max] = high - integral of P(all ended by then), the k-th last having started k / per_s earlier.
    """
    if high <= low:
        return low
    steps, total = 2000, 0.0
    for n in range(steps):
        end, all_over = low + (high - low) * (n + 0.5) / steps, 1.0
        for k in range(count):
            share = (end + k / per_s - low) / (high - low)
            if share >= 1:
                break
            all_over *= share
        total += all_over
    return high - (high - low) * total / steps


def in_list_order(latencies_s: Iterable[float], places: int) -> float:
    """The client without overhead: so many places, each takes the next of the list the moment it is free."""
    free_at = [0.0] * places
    for seconds in latencies_s:
        heapq.heappush(free_at, heapq.heappop(free_at) + seconds)
    return max(free_at)


def weighted(units: Sequence[int], *, amount: int, window_s: float, latency_s: tuple[float, float]) -> float:
    """As `achievable`, for requests of unequal weight in any order: no more than `amount` fits into a window."""
    full = -(-sum(units) // amount) - 1
    low, high = latency_s
    last_wave = max(1, round(len(units) * (sum(units) - full * amount) / sum(units)))
    return full * window_s + low + (high - low) * last_wave / (last_wave + 1)


@dataclass(frozen=True)
class Estimated:
    """A call whose weight its client only estimates: it learns what the vendor counted with the answer."""

    expected: float
    counted: int
    seconds: float


MORE_CAUTION = 0.25


def by_estimates(calls: Sequence[Estimated], *, amount: int, window_s: float, kept_free: float = 3.0) -> float:
    """The client without overhead that is never refused: when the last answer is there.

    In list order, smaller ones first where a larger one finds no room, it sends all that fits beside what is known to
    count and what it expects of the calls that are out, with so many standard deviations of theirs kept free. It knows
    from the first call on how far estimates are off. Where that is refused, a little more is kept free.
    """
    deviation = pstdev(call.counted / call.expected for call in calls)
    while (over_at := _never_refused(calls, amount, window_s, deviation, kept_free)) is None:
        kept_free += MORE_CAUTION
    return over_at


def _never_refused(
    calls: Sequence[Estimated], amount: int, window_s: float, deviation: float, kept_free: float
) -> float | None:
    waiting, sent, moments, over_at = list(calls), [], [0.0], 0.0
    while waiting:
        now = heapq.heappop(moments)
        sent = [(at, call) for at, call in sent if at + window_s > now]
        counted = sum(call.counted for _, call in sent)
        known = sum(call.counted for at, call in sent if at + call.seconds <= now)
        out = [call.expected for at, call in sent if at + call.seconds > now]
        likely, squares, later = known + sum(out), sum(weight * weight for weight in out), []
        for call in waiting:
            more = squares + call.expected * call.expected
            if likely + call.expected + kept_free * deviation * math.sqrt(more) > amount:
                later.append(call)
                continue
            likely, squares, counted = likely + call.expected, more, counted + call.counted
            if counted > amount:
                return None
            sent.append((now, call))
            over_at = max(over_at, now + call.seconds)
            for moment in (now + call.seconds, now + window_s):
                heapq.heappush(moments, moment)
        waiting = later
    return over_at


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one lane of a batch had to do: the seconds of its calls, and what it may do at once."""

    stage: str
    seconds: tuple[float, ...]
    shortest_s: float
    places: int = 0
    amount: int = 0
    window_s: float = 0.0

    def work_s(self, *, bare: bool) -> float:
        """From its first call to its last answer, if there always was something to do.

        `bare`: as if its places could all end at once, which nobody achieves who does not know the seconds beforehand.
        """
        spread = sum(self.seconds) / self.places if self.places else 0.0
        by_places = max(spread, max(self.seconds)) if bare or not spread else in_list_order(self.seconds, self.places)
        full = (len(self.seconds) - 1) // self.amount * self.window_s if self.amount else 0.0
        return max(by_places, full + self.shortest_s)


BEFORE = {"script": (), "voiceover": ("script",), "image": ("script",), "clip": ("image", "voiceover")}
BEFORE["render"] = ("clip",)


def pipeline(loads: Sequence[Load], *, bare: bool = False) -> float:
    """The largest, over lanes, of: the way to its first input, its work, the shortest way from its last answer on."""
    least = {load.stage: load.shortest_s for load in loads}

    def head(stage: str) -> float:
        return max((head(before) + least[before] for before in BEFORE[stage]), default=0.0)

    def tail(stage: str) -> float:
        return max((least[after] + tail(after) for after, before in BEFORE.items() if stage in before), default=0.0)

    return max(head(load.stage) + load.work_s(bare=bare) + tail(load.stage) for load in loads)
