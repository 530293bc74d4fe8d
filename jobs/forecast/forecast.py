"""forecast(plain) -> {strategy: Forecast}: when a batch is done and what it costs, by each strategy, before it begins.

One run of full size takes everything as measured: it gives the first video, the Gantt, the peak, and of a large batch
the middle (P50). Many runs with other luck give the spread; of a large batch they are coarse, and only their ratio to
each other counts. docs/forecast.md has the figures behind that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from jobs.settings_types import STRATEGIES, BatchSettings, Strategy

from .bounds import Bound, bound_of
from .clock import Clock, Run
from .gantt import Bar, Row, rows_and_bars
from .kits import CannotForecast, Kits, offer_of
from .lanes import Market
from .luck import Luck
from .money import most_in_an_hour
from .plain import Order, Plain
from .road import road_of

STEPS_OF_THE_FIRST = 25_000  # above it, even the first run is coarse
STEPS_OF_A_RUN = 500  # … and above this one, those for the spread
STEPS_OF_ALL_RUNS = 10_000
LEAST_RUNS, MOST_RUNS = 20, 60
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Of one strategy. Times in seconds from the start, money in micro-units. P90: in nine of ten cases not later."""

    strategy: str
    p10_s: float
    p50_s: float
    p90_s: float
    first_s: float  # the first video
    exact_micro: int  # of first tries, where the price is for the call or the picture
    estimated_micro: int  # what depends on seconds, characters, tokens, and on new tries
    peak_micro: int  # the most within an hour
    binding: str
    bound_s: float  # the least time possible with these quotas and places
    calls: Mapping[str, int] = field(default_factory=dict)  # by stage, new tries among them
    rows: tuple[Row, ...] = ()
    bars: tuple[Bar, ...] = ()
    guessed: tuple[str, ...] = ()  # stages nobody has measured yet

    @property
    def micro(self) -> int:
        return self.exact_micro + self.estimated_micro

    def as_json(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self)}


def from_json(stored: Mapping[str, Any]) -> Forecast:
    values = {name: value for name, value in stored.items() if name != "version"}
    values["rows"] = tuple(Row(**row) for row in stored["rows"])
    values["bars"] = tuple(Bar(**bar) for bar in stored["bars"])
    return Forecast(**{**values, "guessed": tuple(stored["guessed"])})


def forecast(plain: Plain, strategies: Iterable[Strategy] = STRATEGIES, *, seed: int = 1) -> dict[str, Forecast]:
    """Raises CannotForecast, with a sentence, when some stage cannot be made at all."""
    if not plain.order.videos:
        raise CannotForecast("There is no video to make.")
    _check(plain)
    cost = _cost(plain)
    told: dict[str, Forecast] = {}
    for strategy in strategies:
        tried = _by(plain, strategy)
        told[strategy] = _one(tried, strategy, seed, *(cost if tried is plain else _cost(tried)))
    return told


def _by(plain: Plain, strategy: Strategy) -> Plain:
    """One step at a time is never made in bulk: there the strategy decides about prices, too."""
    if not plain.order.settings.bulk:
        return plain
    known = {id(plan): plan for plan in plain.order.videos}
    plans = {key: replace(plan, settings=replace(plan.settings, strategy=strategy)) for key, plan in known.items()}
    return replace(plain, order=replace(plain.order, videos=tuple(plans[id(plan)] for plan in plain.order.videos)))


def seconds_left(plain: Plain, *, watched: int = 1, seed: int = 1) -> list[float]:
    """Until batches that are under way are over: the order's, and those of the first others that are watched.

    One run, which is coarse where there is much to do.
    """
    _check(plain)
    luck = Luck(seed, nominal=True)
    return (
        Clock(plain, plain.order.settings, luck, grain=_grain(plain, STEPS_OF_A_RUN))
        .run(watched=watched)
        .ends[:watched]
    )


def _one(plain: Plain, strategy: Strategy, seed: int, exact: int, estimated: int) -> Forecast:
    settings = replace(plain.order.settings, strategy=strategy)
    run = Clock(plain, settings, Luck(seed, nominal=True), grain=_grain(plain, STEPS_OF_THE_FIRST), busy=True).run()
    p10, p50, p90 = _spread(plain, settings, seed, run)
    bound: Bound = bound_of(plain, settings)
    rows, bars = rows_and_bars(run.lanes, run.finish_s)
    return Forecast(
        strategy=strategy,
        p10_s=round(p10, 3),
        p50_s=round(p50, 3),
        p90_s=round(p90, 3),
        first_s=round(run.first_s, 3),
        exact_micro=exact,
        estimated_micro=estimated,
        peak_micro=most_in_an_hour(run.spent),
        binding=bound.binding,
        bound_s=round(bound.seconds, 3),
        calls=run.calls,
        rows=rows,
        bars=bars,
        guessed=_guessed(plain),
    )


def _spread(plain: Plain, settings: BatchSettings, seed: int, full: Run) -> tuple[float, float, float]:
    grain = _grain(plain, STEPS_OF_A_RUN)
    steps = max(1, _steps([plain.order, *plain.others]) // grain)
    runs = max(LEAST_RUNS, min(MOST_RUNS, STEPS_OF_ALL_RUNS // steps))
    ends = [
        Clock(plain, settings, Luck(seed + n, nominal=False), grain=grain).run().finish_s for n in range(1, runs + 1)
    ]
    p10, p50, p90 = (float(x) for x in np.percentile(ends, (10, 50, 90)))
    middle = p50 if grain == 1 else full.finish_s
    return middle * p10 / p50, middle, middle * p90 / p50


def _grain(plain: Plain, most: int) -> int:
    return -(-_steps([plain.order, *plain.others]) // most)


def _steps(orders: Iterable[Order]) -> int:
    """Still to be done."""
    total = 0
    for order in orders:
        total += sum(len(road_of(plan.settings, plan.scenes).places) for plan in order.videos)
        total -= sum(order.done.values())
    return max(1, total)


def _cost(plain: Plain) -> tuple[int, int]:
    """(exact, estimated) of all calls that are to be expected."""
    exact, estimated = 0, 0.0
    kits = Kits(plain, Market(plain, orders=1, grain=1), Luck(0, nominal=True))
    for plan in plain.order.videos:
        for kit in kits.along(road_of(plan.settings, plan.scenes), plan):
            if kit.exact:
                exact += kit.micro
                estimated += kit.micro * kit.fails * bool(kit.tries)
            else:
                estimated += kit.micro * (1 + kit.fails * bool(kit.tries))
    return exact, round(estimated)


def _guessed(plain: Plain) -> tuple[str, ...]:
    found = set()
    for plan in {id(plan): plan for plan in plain.order.videos}.values():
        for stage in road_of(plan.settings, plan.scenes).stages:
            offer = offer_of(stage, plan.settings, plain)
            in_bulk = plain.bulk_s(stage, plan.settings, offer) is not None
            if not in_bulk and not plain.measured_of(stage, offer.id).durations:
                found.add(stage)
    return tuple(sorted(found))


def _check(plain: Plain) -> None:
    """What has no place at all would never end."""
    for provider in plain.providers:
        if provider.cap == 0:
            raise CannotForecast(f"{provider.name} may have 0 calls at once: nothing is sent there.")
    for lane in plain.lanes:
        if lane.cap == 0:
            raise CannotForecast(f"{lane.name} may have 0 calls at once: nothing is sent there.")
