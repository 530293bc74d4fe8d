"""When what waits in a lane comes back, at the pace of its quotas, its places and its calls, all as measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from heapq import heappop, heappush

from jobs.settings_types import BatchSettings

from .kits import Kit, Kits
from .lanes import Market
from .luck import Luck
from .plain import Plain
from .road import road_of
from .windows import Meter

MOST_MISSED = 0.9  # of calls: a lane where all are missed would never end
Call = tuple[str, int]  # (stage, offer)


class Queues:
    """Of one market; `settings` say what calls are like."""

    def __init__(self, plain: Plain, settings: BatchSettings) -> None:
        self.plain, self.settings = plain, settings
        self.market = Market(plain, orders=1, grain=1)
        self._kits = Kits(plain, self.market, Luck(0, nominal=True))
        self._kit = cache(self._kit_of)

    def _kit_of(self, stage: str, offer: int) -> Kit:
        own = replace(self.settings, offers={stage: offer}, bulk=())
        return self._kits.kit_of(stage, own, own.scenes)

    def ends(self, lane_id: int, calls: Sequence[Call], *, out: int, until_s: float) -> list[float]:
        """For each call, in the order they leave, when its file is checked; without those that leave after `until_s`.

        `out` are at the vendor already: nobody knows how far they are, so their ends are spread evenly.
        """
        lane = self.market.lanes[lane_id]
        pool = lane.pool.size if lane.pool else lane.cap
        places, meters = min(lane.cap, self.market.desk_of[lane.number].cap, pool), self._meters()
        if not calls or places < 1:
            return []
        running = [self._kit(*calls[0]).durations.mean * (n + 1) / (out + 1) for n in range(out)]
        found: list[float] = []
        now, owed = lane.opens_at, 0.0
        for stage, offer in calls:
            kit = self._kit(stage, offer)
            owed += 1 / (1 - min(kit.misses, MOST_MISSED))  # calls that bring nothing are made again
            while owed >= 1:
                owed -= 1
                while len(running) >= places:
                    now = max(now, heappop(running))
                now = _leave(kit, meters, now)
                heappush(running, now + kit.durations.mean)
            if now > until_s:
                break
            found.append(now + kit.durations.mean + kit.after_s + kit.check_s)
        return found

    def _meters(self) -> list[Meter]:
        return [Meter(quota.window, quota.used) for quota in self.plain.quotas]

    def rests_s(self) -> dict[str, float]:
        """By stage: the least that a video still takes once a step of it is done."""
        road = road_of(self.settings, self.settings.scenes)
        kits = {name: self._kits.kit_of(name, self.settings, self.settings.scenes) for name in road.stages}
        seconds = {name: kit.durations.mean + kit.after_s + kit.check_s for name, kit in kits.items()}
        return road.tails(seconds)


def _leave(kit: Kit, meters: list[Meter], now: float) -> float:
    """The moment at which every quota has room for the call."""
    at = now
    for number, units in kit.uses:
        at = max(at, meters[number].free_at(units, at))
    return max((meters[number].take(units, at) for number, units in kit.uses), default=at)
