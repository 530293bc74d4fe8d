"""What it takes to do a step: its lane, what it uses there, how long it takes, what it costs, whether it comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.routing import OfferFacts, choose, hero_clips
from jobs.settings_types import BatchSettings
from jobs.states import Stage

from . import money
from .lanes import Lane, Market
from .luck import Durations, Luck
from .plain import Measured, Plain, VideoPlan
from .road import Road


class CannotForecast(Exception):
    """The sentence says what stands in the way and who can change it."""


@dataclass(slots=True, kw_only=True)
class Kit:
    lane: Lane
    stage: str
    uses: tuple[tuple[int, int], ...]  # (number of the meter, units)
    micro: int
    exact: bool
    durations: Durations
    after_s: float
    check_s: float
    fails: float  # share of files
    misses: float  # share of calls
    tries: int  # new ones by itself, when a file fails


class Kits:
    """Made once for each kind of step."""

    def __init__(self, plain: Plain, market: Market, luck: Luck) -> None:
        self.plain, self.market, self.luck = plain, market, luck
        self.along_roads: dict[tuple[int, int], Sequence[Kit]] = {}
        self.chances: dict[tuple[str, int, float | None], tuple[Durations, float, float]] = {}

    def along(self, road: Road, plan: VideoPlan) -> Sequence[Kit]:
        key = (id(plan.settings), plan.scenes)
        if key not in self.along_roads:
            heroes = hero_clips(plan.settings.offers, plan.scenes)
            kinds = [(place.stage, place.stage == Stage.CLIP and place.scene <= heroes) for place in road.places]
            made = {
                kind: self.kit_of(kind[0], plan.settings, plan.scenes, hero=kind[1]) for kind in dict.fromkeys(kinds)
            }
            self.along_roads[key] = [made[kind] for kind in kinds]
        return self.along_roads[key]

    def kit_of(self, stage: str, settings: BatchSettings, scenes: int, *, hero: bool = False) -> Kit:
        offer = offer_of(stage, settings, self.plain, hero=hero)
        measured = self.plain.measured_of(stage, offer.id)
        units = money.units_of_call(
            stage, settings, scenes, lengths=offer.lengths, measured=measured, takes=offer.takes
        )
        for unit, most in self.plain.usual.get(offer.id, {}).items():
            units.setdefault(unit, most)
        bulk_s = self.plain.bulk_s(stage, settings, offer)
        price = self.plain.price_of(offer, bulk=bulk_s is not None)
        durations, fails, misses = self._chances(stage, offer, measured, bulk_s)
        # A bulk job is one request, however many lines it has: quotas do not hold it up.
        meters = [n for n, quota in enumerate(self.plain.quotas) if quota.matches(offer)] if bulk_s is None else []
        uses = {n: units.get(self.plain.quotas[n].unit, 0) for n in meters}
        return Kit(
            lane=self.market.lanes[offer.lane_for(stage, settings)],
            stage=stage,
            uses=tuple((n, need) for n, need in uses.items() if need),
            micro=money.bill(price, units) if price else 0,
            exact=bool(price and price.unit in money.EXACT),
            durations=durations,
            after_s=measured.after_s,
            check_s=measured.check_s,
            fails=fails,
            misses=misses,
            tries=settings.auto_retries,
        )

    def _chances(
        self, stage: str, offer: OfferFacts, measured: Measured, bulk_s: float | None
    ) -> tuple[Durations, float, float]:
        """Drawn once a run for each kind of call, however many kinds of videos make it."""
        key = (stage, offer.id, bulk_s)
        if key not in self.chances:
            luck = self.luck
            fails, misses = luck.rate(measured.failed, measured.judged), luck.rate(measured.missed, measured.calls)
            guess = self.plain.guess_of(stage, offer.id)
            durations = luck.durations(measured, guess) if bulk_s is None else luck.whole(bulk_s)
            self.chances[key] = (durations, fails, misses)
        return self.chances[key]


def offer_of(stage: str, settings: BatchSettings, plain: Plain, *, hero: bool = False) -> OfferFacts:
    offer = choose(stage, settings.offers, plain.offers, hero=hero)
    if offer is None:
        raise CannotForecast(f"No enabled provider makes this stage: {Stage(stage).label.lower()}.")
    return offer
