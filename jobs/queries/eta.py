"""How long batches still take: what is left, times what such a step took, over the places there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Max

from jobs.models import Attempt, Batch
from jobs.queries.gauges import Market
from jobs.queries.progress import WORDS, Progress
from jobs.states import STAGE_NUMBER

ENOUGH = 5  # steps of the slowest stage, before an estimate is shown
RECENT = 1000  # attempts of any batch that stand in for a stage this batch has not reached
TOOK = ExpressionWrapper(F("ended_at") - F("sent_at"), output_field=DurationField())
DONE = (Attempt.Outcome.ACCEPTED, Attempt.Outcome.ADOPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLeft:
    words: str
    note: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What one step of a stage takes, and at whom."""

    seconds: float
    lane_id: int
    counted: int


Paces = Mapping[tuple[int | None, str], Pace]  # by batch (None: all of them) and stage


def times_left(batches: Sequence[Batch], progress: Mapping[int, Progress], market: Market) -> dict[int, TimeLeft]:
    paces = _paces([batch.pk for batch in batches])
    return {batch.pk: time_left(batch, progress[batch.pk], market, paces) for batch in batches}


def time_left(batch: Batch, progress: Progress, market: Market, paces: Paces) -> TimeLeft:
    if batch.cancelled_at:
        return TimeLeft(words="—", note="cancelled")
    if batch.finished_at:
        return TimeLeft(words="Done", note=f"took {in_words(batch.finished_at - batch.created_at, about=False)}")
    if batch.paused_at:
        return TimeLeft(words="Paused", note="resume it to go on")
    left = {bar.stage: bar.left for bar in progress.stages if bar.left}
    if progress.gates + progress.videos["review"] + progress.videos["attention"] >= progress.total - progress.finished:
        return TimeLeft(words="Waits for you", note="nothing else can be done just now")
    if market.nobody:
        return TimeLeft(words="Stands still", note="no worker is running")
    known = {stage: paces.get((batch.pk, stage)) or paces.get((None, stage)) for stage in left}
    if not left or any(pace is None for pace in known.values()):
        return TimeLeft(words="Estimating", note="not every stage has been measured yet")
    return _estimate(left, {stage: pace for stage, pace in known.items() if pace}, market)


def _estimate(left: Mapping[str, int], known: Mapping[str, Pace], market: Market) -> TimeLeft:
    """The busiest provider sets the time; what comes after its last step is added once."""
    work: dict[int, float] = {}
    for stage, pace in known.items():
        provider = market.lanes[pace.lane_id].provider_id
        work[provider] = work.get(provider, 0.0) + left[stage] * pace.seconds / _places(pace.lane_id, market)
    slowest = max(known, key=lambda stage: left[stage] * known[stage].seconds / _places(known[stage].lane_id, market))
    if known[slowest].counted < ENOUGH:
        return TimeLeft(words="Estimating", note=f"after {ENOUGH} {WORDS[slowest].lower()}")
    tail = sum(pace.seconds for stage, pace in known.items() if STAGE_NUMBER[stage] > STAGE_NUMBER[slowest])
    seconds = max(work.values()) + tail
    words = in_words(timedelta(seconds=seconds), about=True)
    return TimeLeft(words=words, note=f"slowest: {WORDS[slowest].lower()}", seconds=seconds)


def _places(lane_id: int, market: Market) -> int:
    lane = market.lanes[lane_id]
    limits = [n for n in (lane.max_in_flight, lane.provider.max_in_flight) if n]
    return min([*limits, settings.CALL_THREADS])


def _paces(ids: Sequence[int]) -> Paces:
    ended = Attempt.objects.filter(outcome__in=DONE).exclude(ended_at=None)
    measured = {"mean": Avg(TOOK), "n": Count("pk"), "at": Max("lane")}
    newest = Attempt.objects.aggregate(newest=Max("pk"))["newest"] or 0
    paces: dict[tuple[int | None, str], Pace] = {}
    row: Any
    for row in ended.filter(pk__gt=newest - RECENT).values("step__stage").annotate(**measured).order_by():
        paces[None, row["step__stage"]] = _pace(row["mean"], row["at"], row["n"])
    mine = ended.filter(step__batch__in=ids).values("step__batch", "step__stage").annotate(**measured)
    for row in mine.order_by():
        paces[row["step__batch"], row["step__stage"]] = _pace(row["mean"], row["at"], row["n"])
    return paces


def _pace(mean: timedelta, lane_id: int, counted: int) -> Pace:
    return Pace(seconds=max(0.0, mean.total_seconds()), lane_id=lane_id, counted=counted)


def in_words(span: timedelta, *, about: bool) -> str:
    minutes = span.total_seconds() / 60
    if minutes < 1:
        return "under a minute" if about else f"{max(1, round(minutes * 60))} s"
    prefix = "about " if about else ""
    if minutes < 60:
        return f"{prefix}{round(minutes)} min"
    hours, rest = divmod(round(minutes), 60)
    return f"{prefix}{hours} h {rest} min" if hours < 10 and rest else f"{prefix}{hours} h"
