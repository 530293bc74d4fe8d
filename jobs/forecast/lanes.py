"""Lanes, providers and pools of places on the virtual clock."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from .plain import LaneFacts, Plain, ProviderFacts
from .windows import Meter


class Pool:
    """Threads of the callers, or places for media work."""

    __slots__ = ("free", "size", "waiting")

    def __init__(self, size: int) -> None:
        self.size = self.free = size
        self.waiting: dict[int, Desk] = {}  # of which something could start, had the pool a place


class Lane:
    __slots__ = ("cap", "ends", "facts", "heaps", "number", "opens_at", "out", "pool", "sizes", "starts", "wide")

    def __init__(self, facts: LaneFacts, number: int, cap: float, pool: Pool | None, orders: int) -> None:
        self.facts, self.number, self.cap, self.pool = facts, number, cap, pool
        self.heaps: list[list[tuple[int, int]]] = [[] for _ in range(orders)]  # (rank, step) that may start, by order
        self.out = 0
        self.opens_at = facts.opens_s
        self.wide = 1  # of a group, how many at once
        self.starts: list[float] = []
        self.ends: list[float] = []
        self.sizes: list[int] = []


class Desk:
    """A provider: lanes that share a cap."""

    __slots__ = ("cap", "facts", "lanes", "number", "out", "wakes_at")

    def __init__(self, facts: ProviderFacts, number: int) -> None:
        self.facts, self.number = facts, number
        self.cap: float = inf if facts.cap is None else facts.cap
        self.out = 0
        self.lanes: list[Lane] = []
        self.wakes_at = inf


class Market:
    def __init__(self, plain: Plain, *, orders: int, grain: int) -> None:
        self.threads, self.places = Pool(plain.threads), Pool(plain.places)
        self.desks = [Desk(facts, number) for number, facts in enumerate(plain.providers)]
        by_id = {desk.facts.id: desk for desk in self.desks}
        self.meters = [Meter(quota.window, quota.used) for quota in plain.quotas]
        self.lanes: dict[int, Lane] = {}
        self.desk_of: list[Desk] = []
        for number, facts in enumerate(plain.lanes):
            desk = by_id[facts.provider_id]
            if facts.bulk_s is not None:  # its lines take none of the provider's places
                desk = Desk(replace(desk.facts, cap=None), len(self.desks))
                self.desks.append(desk)
            pool = self.places if desk.facts.is_here else self.threads if facts.holds_thread else None
            lane = Lane(facts, number, inf if facts.cap is None else facts.cap, pool, orders)
            lane.wide = side_by_side(grain, min(lane.cap, desk.cap, pool.size if pool else inf))
            self.lanes[facts.id] = lane
            self.desk_of.append(desk)
            desk.lanes.append(lane)


def side_by_side(grain: int, cap: float) -> int:
    """Of a group of so many equal calls, how many are made at once: a divisor of the cap, so that no place idles."""
    if cap == inf:
        return grain
    return max((n for n in range(1, grain + 1) if cap % n == 0), default=1)
