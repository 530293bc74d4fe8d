"""How soon work can be over at all, by quota, places and latencies. Seconds throughout.

`achievable` is for a client that does not know latencies beforehand; a clairvoyant one could be a little sooner.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence


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
