"""How long batches still take: the forecast from where they stand, all open ones together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs.forecast import CannotForecast, Plain, slowest_stage
from jobs.models import Batch
from jobs.queries.forecasting import seconds_left_of
from jobs.queries.gauges import Market
from jobs.queries.progress import WORDS, Progress

ENOUGH = 5  # calls of the slowest stage, before an estimate is shown
# To foresee costs more than all else on a page, and is only an estimate: it is kept a while, and counts down meanwhile.
FRESH = timedelta(seconds=10)
LONGEST = timedelta(seconds=30)  # where nobody has renewed it


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLeft:
    words: str
    note: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Foreseen:
    at: datetime
    seconds: float  # from then on
    plain: Plain | None  # what it was foreseen from
    problem: str = ""  # why nothing can be

    def is_younger(self, age: timedelta, now: datetime) -> bool:
        return timedelta() <= now - self.at < age


_kept: dict[Hashable, _Foreseen] = {}  # of this process


def times_left(batches: Sequence[Batch], progress: Mapping[int, Progress], market: Market) -> dict[int, TimeLeft]:
    told = {batch.pk: _told_without(batch, progress[batch.pk], market) for batch in batches}
    running = [batch for batch in batches if told[batch.pk] is None]
    foreseen = _found(running, market, LONGEST) or _foresee(running, progress, market)
    return {pk: left or _in_words_of(progress[pk], foreseen[pk], market.now) for pk, left in told.items()}


def renew(batches: Sequence[Batch], progress: Mapping[int, Progress], market: Market) -> None:
    """For the next that ask: done when an answer is on its way, so that nobody waits for it."""
    running = [batch for batch in batches if _told_without(batch, progress[batch.pk], market) is None]
    if _found(running, market, FRESH) is None:
        _foresee(running, progress, market)


def _found(batches: Sequence[Batch], market: Market, age: timedelta) -> dict[int, _Foreseen] | None:
    """What was foreseen under the same limits lately; None unless it was of every batch."""
    found = {batch.pk: _kept.get(_key(batch, market)) for batch in batches}
    young = {pk: one for pk, one in found.items() if one and one.is_younger(age, market.now)}
    return young if len(young) == len(found) else None


def _foresee(batches: Sequence[Batch], progress: Mapping[int, Progress], market: Market) -> dict[int, _Foreseen]:
    now = market.now
    try:
        seconds, plain = seconds_left_of(batches, progress, now)
        made = {pk: _Foreseen(at=now, seconds=left, plain=plain) for pk, left in seconds.items()}
    except CannotForecast as error:
        made = {batch.pk: _Foreseen(at=now, seconds=0.0, plain=None, problem=str(error)) for batch in batches}
    for key, old in list(_kept.items()):
        if not old.is_younger(LONGEST, now):
            _kept.pop(key, None)
    _kept.update({_key(batch, market): made[batch.pk] for batch in batches})
    return made


def _key(batch: Batch, market: Market) -> Hashable:
    return batch.pk, batch.created_at, batch.priority, market.limits


def _told_without(batch: Batch, progress: Progress, market: Market) -> TimeLeft | None:
    """Where nothing has to be foreseen."""
    if batch.cancelled_at:
        return TimeLeft(words="—", note="cancelled")
    if batch.finished_at:
        return TimeLeft(words="Done", note=f"took {in_words(batch.finished_at - batch.created_at, about=False)}")
    if batch.paused_at:
        return TimeLeft(words="Paused", note="resume it to go on")
    if progress.gates + progress.videos["review"] + progress.videos["attention"] >= progress.total - progress.finished:
        return TimeLeft(words="Waits for you", note="nothing else can be done just now")
    if market.nobody:
        return TimeLeft(words="Stands still", note="no worker is running")
    return None


def _in_words_of(progress: Progress, foreseen: _Foreseen, now: datetime) -> TimeLeft:
    if foreseen.problem:
        return TimeLeft(words="Unknown", note=foreseen.problem)
    plain = foreseen.plain
    left = {bar.stage: bar.left for bar in progress.stages if bar.left}
    if plain is None or not left:
        return TimeLeft(words="Estimating", note="the next steps are being planned")
    calls = {stage: _calls(plain, stage) for stage in left}
    if not all(calls.values()):
        return TimeLeft(words="Estimating", note="not every stage has been measured yet")
    slowest = slowest_stage(plain, left)
    if calls[slowest] < ENOUGH:
        return TimeLeft(words="Estimating", note=f"after {ENOUGH} {WORDS[slowest].lower()}")
    seconds = max(0.0, foreseen.seconds - (now - foreseen.at).total_seconds())
    words = in_words(timedelta(seconds=seconds), about=True)
    return TimeLeft(words=words, note=f"slowest: {WORDS[slowest].lower()}", seconds=seconds)


def done_at(left: TimeLeft, now: datetime) -> datetime | None:
    """At this pace; to the minute, as nobody knows it better."""
    if left.seconds is None:
        return None
    moment = now + timedelta(seconds=left.seconds + 30)
    return moment.replace(second=0, microsecond=0)


def _calls(plain: Plain, stage: str) -> int:
    return max((len(m.durations) for (of, _), m in plain.measured.items() if of == stage), default=0)


def in_words(span: timedelta, *, about: bool) -> str:
    minutes = span.total_seconds() / 60
    if minutes < 1:
        return "under a minute" if about else f"{max(1, round(minutes * 60))} s"
    prefix = "about " if about else ""
    if minutes < 60:
        return f"{prefix}{round(minutes)} min"
    hours, rest = divmod(round(minutes), 60)
    return f"{prefix}{hours} h {rest} min" if hours < 10 and rest else f"{prefix}{hours} h"
