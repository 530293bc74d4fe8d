"""How long batches still take: the forecast from where they stand, all open ones together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from jobs.forecast import CannotForecast, Plain, slowest_stage
from jobs.models import Batch
from jobs.queries.forecasting import seconds_left_of
from jobs.queries.gauges import Market
from jobs.queries.progress import WORDS, Progress

ENOUGH = 5  # calls of the slowest stage, before an estimate is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLeft:
    words: str
    note: str = ""
    seconds: float | None = None


def times_left(batches: Sequence[Batch], progress: Mapping[int, Progress], market: Market) -> dict[int, TimeLeft]:
    told = {batch.pk: _told_without(batch, progress[batch.pk], market) for batch in batches}
    running = [batch for batch in batches if told[batch.pk] is None]
    try:
        seconds, plain = seconds_left_of(running, progress, market.now)
    except CannotForecast as error:
        return {pk: left or TimeLeft(words="Unknown", note=str(error)) for pk, left in told.items()}
    return {batch.pk: told[batch.pk] or _in_words_of(progress[batch.pk], seconds[batch.pk], plain) for batch in batches}


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


def _in_words_of(progress: Progress, seconds: float, plain: Plain | None) -> TimeLeft:
    left = {bar.stage: bar.left for bar in progress.stages if bar.left}
    if plain is None or not left:
        return TimeLeft(words="Estimating", note="the next steps are being planned")
    calls = {stage: _calls(plain, stage) for stage in left}
    if not all(calls.values()):
        return TimeLeft(words="Estimating", note="not every stage has been measured yet")
    slowest = slowest_stage(plain, left)
    if calls[slowest] < ENOUGH:
        return TimeLeft(words="Estimating", note=f"after {ENOUGH} {WORDS[slowest].lower()}")
    words = in_words(timedelta(seconds=seconds), about=True)
    return TimeLeft(words=words, note=f"slowest: {WORDS[slowest].lower()}", seconds=seconds)


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
