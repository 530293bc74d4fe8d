"""The least time a batch can take with its own quotas and places, whoever plans it (docs/forecast.md says why these).

Pipelined: max over what is short of head + work ÷ capacity + tail. Head is the earliest moment at which there can be
work for it, tail the least that follows its last output, both by the fastest calls. Stage by stage costs the sum of
the stages' largest, one by one the sum of everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from jobs.routing import hero_clips
from jobs.settings_types import BatchSettings
from jobs.states import STAGE_NUMBER, Stage

from .kits import offer_of
from .money import units_of_call
from .plain import Plain
from .road import Road, road_of

UNITS_A = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86_400.0: "day"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one stage of a batch asks for."""

    stage: str
    lane_id: int
    calls: int
    seconds: float  # of a call, the mean
    shortest_s: float
    check_s: float = 0.0
    units: Mapping[int, int] = field(default_factory=dict)  # by the number of the quota, of all calls together


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """Something there is only so much of: places, or units in a window."""

    name: str
    limit: str  # in words
    work: Mapping[str, float]  # by stage: seconds at full use, or units
    amount: int = 0  # of a quota, in a window
    window_s: float = 0.0
    shortest_s: float = 0.0

    def alone(self, stages: Iterable[str], share: float = 1.0) -> float:
        """The least time for the work of these stages, when nothing else held it up."""
        work = sum(self.work.get(stage, 0.0) for stage in stages) * share
        if not self.window_s or not work:
            return work
        windows = work / self.amount if share < 1 else -(-work // self.amount)
        return max(0.0, windows - 1) * self.window_s + self.shortest_s

    @property
    def words(self) -> str:
        return f"{self.name}: {self.limit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    seconds: float
    binding: str  # what is short, in words


def bound_of(plain: Plain, settings: BatchSettings, loads: Sequence[Load] | None = None) -> Bound:
    """Of the order by what was measured and planned; or of what a batch really asked for, by its `loads`."""
    loads = loads_of(plain) if loads is None else loads
    shorts = shorts_of(plain, loads)
    if settings.strategy == "sequential":
        return Bound(seconds=sum(x.calls * (x.seconds + x.check_s) for x in loads), binding="One step at a time")
    plans = {(plan.scenes, plan.settings.moderation): plan for plan in plain.order.videos}
    roads = [road_of(plan.settings, plan.scenes) for plan in plans.values()]
    if settings.strategy == "pipelined":
        return _pipelined(shorts, loads, roads)
    return _by_stages(shorts, loads, _chunks(plain, settings), pause_s=settings.chunk_pause_s)


def _chunks(plain: Plain, settings: BatchSettings) -> list[tuple[int, float]]:
    """(how many, share of the videos in each): parallel is one chunk, the last may be smaller."""
    videos, size = len(plain.order.videos), settings.chunk_size
    if settings.strategy != "chunked" or size >= videos:
        return [(1, 1.0)]
    full, rest = divmod(videos, size)
    return [(full, size / videos)] + ([(1, rest / videos)] if rest else [])


def slowest_stage(plain: Plain, left: Mapping[str, int]) -> str:
    """Of the stages with so many steps left: the one that most of the time of what binds goes to."""
    every = loads_of(plain)
    of_stage = _by_stage(every)
    loads = [
        _cut(load, left[load.stage] / of_stage[load.stage].calls)
        for load in every
        if left.get(load.stage) and load.calls
    ]
    worst = max(shorts_of(plain, loads), key=lambda short: short.alone(short.work))
    return max(worst.work, key=lambda stage: worst.work[stage])


def _cut(load: Load, share: float) -> Load:
    return replace(load, calls=round(load.calls * share), units={n: round(u * share) for n, u in load.units.items()})


def _pipelined(shorts: Sequence[Short], loads: Sequence[Load], roads: Sequence[Road]) -> Bound:
    least = {stage: x.shortest_s + x.check_s for stage, x in _by_stage(loads).items()}
    mean = {stage: x.seconds + x.check_s for stage, x in _by_stage(loads).items()}
    way = max((max(road.tails(mean)[road.places[0].stage] for road in roads), 0.0)) if roads else 0.0
    way += mean.get(roads[0].places[0].stage, 0.0) if roads else 0.0
    found = [Bound(seconds=way, binding="The way of a single video")]
    for short in shorts:
        stages = [stage for stage, work in short.work.items() if work]
        if stages:
            head = min(road.heads(least).get(stage, 0.0) for road in roads for stage in stages)
            tail = min(_tail(road, least, loads, stage, short) for road in roads for stage in stages)
            found.append(Bound(seconds=head + short.alone(stages) + tail, binding=short.words))
    return max(found, key=lambda bound: bound.seconds)


def _tail(road: Road, least: Mapping[str, float], loads: Sequence[Load], stage: str, short: Short) -> float:
    """After the last output of the lane: its check, where that is no work of the same places, and what follows."""
    check_s = next((x.check_s for x in loads if x.stage == stage), 0.0)
    return road.tails(least).get(stage, 0.0) + (0.0 if short.name == HERE else check_s)


def _by_stages(
    shorts: Sequence[Short], loads: Sequence[Load], chunks: Sequence[tuple[int, float]], *, pause_s: float
) -> Bound:
    """No stage of a chunk begins before what comes before it is over, its last check included."""
    stages = _by_stage(loads)
    count = sum(n for n, _ in chunks)
    total, largest = (len(stages) * count - 1) * pause_s if count > 1 else 0.0, Bound(seconds=0.0, binding="")
    for stage, load in stages.items():
        for n, share in chunks:
            each = [Bound(seconds=load.seconds + load.check_s, binding="The way of a single video")]
            for short in shorts:
                if short.work.get(stage):
                    check_s = 0.0 if short.name == HERE else load.check_s
                    each.append(Bound(seconds=short.alone([stage], share) + check_s, binding=short.words))
            worst = max(each, key=lambda bound: bound.seconds)
            total += n * worst.seconds
            largest = max(largest, worst, key=lambda bound: bound.seconds)
    return Bound(seconds=total, binding=largest.binding)


# -- what is asked for, and what there is ------------------------------------------------------------------------------

HERE = "Checks and renders on this machine"


def loads_of(plan: Plain) -> list[Load]:
    """Of every first try, and the new tries that are to be expected."""
    found: dict[tuple[str, int], Load] = {}
    kinds: dict[tuple[int, int], tuple[BatchSettings, int, int]] = {}
    for video in plan.order.videos:
        settings, scenes, n = kinds.get((id(video.settings), video.scenes), (video.settings, video.scenes, 0))
        kinds[id(video.settings), video.scenes] = (settings, scenes, n + 1)
    for settings, scenes, n in kinds.values():
        for stage, count in road_of(settings, scenes).stages.items():
            heroes = hero_clips(settings.offers, scenes) if stage == Stage.CLIP else 0
            for calls, hero in ((count - heroes, False), (heroes, True)):
                if calls:
                    load = _load(plan, settings, stage, scenes, n * calls, hero=hero)
                    key = (stage, load.lane_id)
                    found[key] = _together(found[key], load) if key in found else load
    return sorted(found.values(), key=lambda load: STAGE_NUMBER[load.stage])


def _load(plain: Plain, settings: BatchSettings, stage: str, scenes: int, count: int, *, hero: bool) -> Load:
    offer = offer_of(stage, settings, plain, hero=hero)
    measured = plain.measured_of(stage, offer.id)
    bulk_s = plain.bulk_s(stage, settings, offer)
    durations = measured.durations or plain.guess_of(stage, offer.id) if bulk_s is None else (bulk_s,)
    again = measured.failed / measured.judged if measured.judged and settings.auto_retries else 0.0
    calls = round(count * (1 + again) * (1 + (measured.missed / measured.calls if measured.calls else 0.0)))
    units = units_of_call(stage, settings, scenes, lengths=offer.lengths, measured=measured, takes=offer.takes)
    quotas = enumerate(plain.quotas if bulk_s is None else ())
    uses = {n: calls * units.get(quota.unit, 0) for n, quota in quotas if quota.matches(offer)}
    return Load(
        stage=stage,
        lane_id=offer.lane_for(stage, settings),
        calls=calls,
        seconds=sum(durations) / len(durations),
        shortest_s=min(durations),
        check_s=measured.check_s,
        units=uses,
    )


def _by_stage(loads: Iterable[Load]) -> dict[str, Load]:
    """A stage may be made in several lanes."""
    found: dict[str, Load] = {}
    for load in loads:
        found[load.stage] = _together(found[load.stage], load) if load.stage in found else load
    return found


def _together(one: Load, other: Load) -> Load:
    calls = one.calls + other.calls
    return Load(
        stage=one.stage,
        lane_id=one.lane_id,
        calls=calls,
        seconds=(one.calls * one.seconds + other.calls * other.seconds) / max(1, calls),
        shortest_s=min(one.shortest_s, other.shortest_s),
        check_s=one.check_s,
        units={n: one.units.get(n, 0) + other.units.get(n, 0) for n in {**one.units, **other.units}},
    )


def shorts_of(plain: Plain, loads: Sequence[Load]) -> list[Short]:
    lanes = {lane.id: lane for lane in plain.lanes}
    found = []
    for lane in plain.lanes:
        if lane.cap:
            found.append(_places(lane.name, lane.cap, [x for x in loads if x.lane_id == lane.id]))
    for provider in plain.providers:
        if provider.cap:
            calls = [x for x in loads if lanes[x.lane_id].bulk_s is None]
            mine = [x for x in calls if lanes[x.lane_id].provider_id == provider.id]
            found.append(_places(provider.name, provider.cap, mine))
    here = {provider.id for provider in plain.providers if provider.is_here}
    held = [x for x in loads if lanes[x.lane_id].holds_thread and lanes[x.lane_id].provider_id not in here]
    found.append(_places("Calls of this machine", plain.threads, held))
    found.append(_here(plain, [x for x in loads if lanes[x.lane_id].provider_id in here], loads))
    for number, quota in enumerate(plain.quotas):
        mine = [x for x in loads if x.units.get(number)]
        if mine:
            one = int(quota.window.amount == 1)
            window = UNITS_A.get(quota.window.seconds, f"{quota.window.seconds:g} s")
            found.append(
                Short(
                    name=lanes[mine[0].lane_id].name if len(mine) == 1 else _name(plain, quota.provider_id),
                    limit=f"{quota.window.amount:,} {quota.unit.removesuffix('s' * one)} a {window}",
                    work=_summed((x.stage, float(x.units[number])) for x in mine),
                    amount=quota.window.amount,
                    window_s=quota.window.seconds,
                    shortest_s=min(x.shortest_s for x in mine),
                )
            )
    return found


def _places(name: str, cap: int, loads: Sequence[Load]) -> Short:
    work = _summed((x.stage, x.calls * x.seconds / cap) for x in loads)
    return Short(name=name, limit=f"{cap} at once", work=work)


def _here(plain: Plain, renders: Sequence[Load], loads: Sequence[Load]) -> Short:
    checks = [(x.stage, x.calls * x.check_s / plain.places) for x in loads]
    work = _summed([*checks, *((x.stage, x.calls * x.seconds / plain.places) for x in renders)])
    return Short(name=HERE, limit=f"{plain.places} at once", work=work)


def _summed(work: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Of a stage that is made in several lanes, together."""
    found: dict[str, float] = {}
    for stage, amount in work:
        found[stage] = found.get(stage, 0.0) + amount
    return found


def _name(plain: Plain, provider_id: int) -> str:
    return next(provider.name for provider in plain.providers if provider.id == provider_id)
