"""What a forecast is made from: plain values, times in seconds from now. jobs/queries/forecasting.py reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jobs.routing import CAPABILITY_OF, OfferFacts
from jobs.settings_types import BatchSettings
from jobs.states import Stage
from providers.limits import Window
from providers.types import Capability

# Seconds of a call, before one was measured: of the kind of vendor that is usual for it.
GUESSES: Mapping[str, float] = {
    Capability.SCRIPT: 10.0,
    Capability.IMAGE: 12.0,
    Capability.CLIP: 90.0,
    Capability.VOICEOVER: 4.0,
    Capability.MODERATION: 1.0,
    Capability.RENDER: 10.0,
}
GUESS_SPREAD = 0.2  # of single calls around them


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFacts:
    id: int
    name: str
    cap: int | None = None  # calls and remote jobs at once, over all its lanes
    is_here: bool = False  # this machine: its work takes media places, not threads


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneFacts:
    id: int
    provider_id: int
    name: str
    capability: str = ""
    offer_id: int | None = None
    cap: int | None = None
    opens_s: float = 0.0  # a pause that is known to end then
    bulk_s: float | None = None  # of bulk jobs: so long after it is sent, everything is back
    holds_thread: bool = True  # False: the vendor works on it, and a call is only asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaFacts:
    provider_id: int
    unit: str
    window: Window
    capability: str = ""
    offer_id: int | None = None
    used: tuple[tuple[float, int], ...] = ()  # (seconds from now, units), oldest first

    def matches(self, offer: OfferFacts) -> bool:
        return (
            self.provider_id == offer.provider_id
            and self.capability in ("", offer.capability)
            and self.offer_id in (None, offer.id)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFacts:
    provider_id: int
    unit: str
    micro: int
    per: int = 1
    beside: Mapping[str, int] = field(default_factory=dict)  # other units of the same call, for as many
    capability: str = ""
    offer_id: int | None = None
    bulk: bool = False
    order: int = 0  # the later of two equally near prices counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What steps of a stage were like: the last ones."""

    durations: tuple[float, ...] = ()  # of calls, from the wire to the moment the end is known; () = never measured
    after_s: float = 0.0  # from there until its file is looked at: fetched, stored, seen by who checks
    check_s: float = 0.0
    calls: int = 0
    missed: int = 0  # that brought nothing and were made again
    judged: int = 0
    failed: int = 0  # files that did not pass
    units: Mapping[str, float] = field(default_factory=dict)  # a call's mean; what is missing is planned


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPlan:
    """One video to come. Videos that are alike share one `settings`."""

    settings: BatchSettings
    scenes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A batch: the one that is asked about, or one that shares its lanes."""

    settings: BatchSettings
    videos: tuple[VideoPlan, ...]
    priority: int = 0
    weight: int = 1
    done: Mapping[str, int] = field(default_factory=dict)  # by stage
    running: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    order: Order
    providers: tuple[ProviderFacts, ...]
    lanes: tuple[LaneFacts, ...]
    offers: tuple[OfferFacts, ...]
    quotas: tuple[QuotaFacts, ...] = ()
    prices: tuple[PriceFacts, ...] = ()
    usual: Mapping[int, Mapping[str, int]] = field(default_factory=dict)  # offer -> units of a call, in its own words
    usual_s: Mapping[int, tuple[float, float]] = field(default_factory=dict)  # offer -> a call takes from … to …
    measured: Mapping[tuple[str, int | None], Measured] = field(default_factory=dict)  # by stage and offer (None: any)
    others: tuple[Order, ...] = ()
    threads: int
    places: int  # for checks and renders
    pickup_s: float  # until a step that may start is seen by who calls

    def measured_of(self, stage: str, offer_id: int) -> Measured:
        """Its own; else what other offers were like, whose durations say nothing where its own are known beforehand."""
        own, others = self.measured.get((stage, offer_id)), self.measured.get((stage, None), Measured())
        return own or (replace(others, durations=()) if offer_id in self.usual_s else others)

    def guess_of(self, stage: str, offer_id: int) -> tuple[float, float]:
        """From … to … seconds, where nobody has measured it."""
        middle = GUESSES[CAPABILITY_OF[Stage(stage)]]
        return self.usual_s.get(offer_id, (middle * (1 - GUESS_SPREAD), middle * (1 + GUESS_SPREAD)))

    def bulk_s(self, stage: str, settings: BatchSettings, offer: OfferFacts) -> float | None:
        """How long it takes in bulk, None where it is made by calls."""
        lane_id = offer.lane_for(stage, settings)
        return next((lane.bulk_s for lane in self.lanes if lane.id == lane_id), None)

    def price_of(self, offer: OfferFacts, *, bulk: bool = False) -> PriceFacts | None:
        """The most specific one, the newest of those: as claim has it."""
        fitting = [
            price
            for price in self.prices
            if price.bulk is bulk
            and price.provider_id == offer.provider_id
            and price.capability in ("", offer.capability)
            and price.offer_id in (None, offer.id)
        ]
        return max(fitting, key=lambda p: (p.offer_id is not None, bool(p.capability), p.order), default=None)
