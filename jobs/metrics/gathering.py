"""Brings together kept and fresh counts and the videos: plain numbers for one question, in a constant number of
queries."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import BooleanField, Case, F, Q, Sum, Value, When

from jobs.models import Tally, Video

from .counting import FIRST_FAILED, FIRST_PASSED, LATER_PASSED, close_days, count_day, middle_of
from .filters import Filters, day_of, midnight

What = Tally.What
MOST_VIDEOS = 10_000
Place = tuple[str, int]  # stage, provider
LOST = (Video.State.ATTENTION, Video.State.CANCELLED)


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@dataclass(slots=True)
class Judged:
    first_passed: int = 0
    first: int = 0
    passed: int = 0
    all: int = 0

    def add(self, key: str, count: int) -> None:
        self.all += count
        self.passed += count if key in (FIRST_PASSED, LATER_PASSED) else 0
        self.first += count if key in (FIRST_PASSED, FIRST_FAILED) else 0
        self.first_passed += count if key == FIRST_PASSED else 0

    def __add__(self, other: Judged) -> Judged:
        return Judged(
            self.first_passed + other.first_passed,
            self.first + other.first,
            self.passed + other.passed,
            self.all + other.all,
        )


@dataclass(slots=True)
class Counts:
    """What the tallies of one span of days say."""

    made: Counter[Place] = field(default_factory=Counter)
    made_ms: Counter[Place] = field(default_factory=Counter)
    durations: defaultdict[Place, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    missed: Counter[tuple[int, str]] = field(default_factory=Counter)  # provider, cause
    objected: Counter[tuple[int, str]] = field(default_factory=Counter)  # provider, check
    spent: Counter[Place] = field(default_factory=Counter)
    judged: defaultdict[Place, Judged] = field(default_factory=lambda: defaultdict(Judged))

    def add(self, *, stage: str, provider: int, what: str, key: str, count: int, amount: int) -> None:
        place = (stage, provider)
        if what == What.MADE:
            self.made[place] += count
            self.made_ms[place] += amount
            self.durations[place][int(key)] += count
        elif what == What.MISSED:
            self.missed[provider, key] += count
        elif what == What.OBJECTED:
            self.objected[provider, key] += count
        elif what == What.SPENT:
            self.spent[place] += amount
        elif what == What.CHECKED:
            self.judged[place].add(key, count)

    @property
    def all_judged(self) -> Judged:
        return sum(self.judged.values(), Judged())

    def percentile_s(self, place: Place, part: float) -> float | None:
        left = math.ceil(part * self.made[place])
        for duration_class, count in sorted(self.durations[place].items()):
            left -= count
            if left <= 0:
                return middle_of(duration_class)
        return None


@dataclass(slots=True)
class Videos:
    """Videos by the span they were started in; lengths by the span they were finished in."""

    started: int = 0
    succeeded: int = 0
    lost: int = 0
    finished: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def success(self) -> float | None:
        return share(self.succeeded, self.succeeded + self.lost)

    def percentile_s(self, part: float) -> float | None:
        """Exact: the nearest rank."""
        ranked = sorted(self.seconds)
        return ranked[math.ceil(part * len(ranked)) - 1] if ranked else None

    @property
    def average_s(self) -> float | None:
        return sum(self.seconds) / len(self.seconds) if self.seconds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    now: Counts
    before: Counts
    columns: Sequence[Counts]
    videos: Videos
    videos_before: Videos
    video_columns: Sequence[Videos]
    is_capped: bool  # there were more videos than are looked at

    @property
    def is_empty(self) -> bool:
        return not (self.videos.started or self.videos.finished or self.now.made or self.now.missed or self.now.spent)


def gather(filters: Filters, now: datetime) -> Gathered:
    period = filters.period
    totals, before, columns = Counts(), Counts(), [Counts() for _ in range(period.columns)]
    open_days = close_days(now)
    start = period.first if period.before is None else period.before
    kept = Tally.objects.filter(batch__in=filters.batches, day__gte=start, day__lt=min(open_days)).order_by()
    if filters.provider:
        kept = kept.filter(provider=filters.provider)
    is_now = Case(When(day__gte=period.first, then=Value(True)), default=Value(False), output_field=BooleanField())
    rows = kept.annotate(is_now=is_now).values_list("is_now", "stage", "provider", "what", "key")
    for current, stage, provider, what, key, count, amount in rows.annotate(n=Sum("count"), sum_=Sum("amount")):
        side = totals if current else before
        side.add(stage=stage, provider=provider, what=what, key=key, count=count, amount=amount)
    back = (period.last - F("day")) / period.column
    trend = kept.filter(day__gte=period.first, what__in=(What.SPENT, What.CHECKED)).annotate(back=back)
    spans_of = trend.values_list("back", "stage", "provider", "what", "key")
    for spans, stage, provider, what, key, count, amount in spans_of.annotate(n=Sum("count"), sum_=Sum("amount")):
        column = columns[period.columns - 1 - spans]
        column.add(stage=stage, provider=provider, what=what, key=key, count=count, amount=amount)
    for each in _fresh(filters, [day for day in open_days if day >= period.first]):
        for counts in (totals, columns[period.column_of(each.day)]):
            counts.add(
                stage=each.stage,
                provider=each.provider_id,
                what=each.what,
                key=each.key,
                count=each.count,
                amount=each.amount,
            )
    videos, videos_before, video_columns, is_capped = _videos(filters)
    return Gathered(
        now=totals,
        before=before,
        columns=columns,
        videos=videos,
        videos_before=videos_before,
        video_columns=video_columns,
        is_capped=is_capped,
    )


def _fresh(filters: Filters, days: Iterable[int]) -> list[Tally]:
    mine = set(filters.batches.values_list("pk", flat=True))
    counted = [each for day in days for each in count_day(day) if each.batch_id in mine]
    return [each for each in counted if filters.provider is None or each.provider_id == filters.provider.pk]


def _videos(filters: Filters) -> tuple[Videos, Videos, list[Videos], bool]:
    period = filters.period
    first = period.first if period.before is None else period.before
    since = midnight(first)
    found = Video.objects.filter(Q(started_at__gte=since) | Q(finished_at__gte=since), batch__in=filters.batches)
    fields = ("state", "started_at", "finished_at")
    rows = list(found.order_by("-pk").values_list(*fields)[: MOST_VIDEOS + 1])
    now, before, columns = Videos(), Videos(), [Videos() for _ in range(period.columns)]

    def sides(moment: datetime | None) -> tuple[Videos, ...]:
        day = day_of(moment) if moment else -1
        if period.first <= day <= period.last:
            return now, columns[period.column_of(day)]
        return (before,) if first <= day < period.first else ()

    for state, started_at, finished_at in rows[:MOST_VIDEOS]:
        for side in sides(started_at):
            side.started += 1
            side.succeeded += state == Video.State.DONE
            side.lost += state in LOST
        for side in sides(finished_at):
            side.finished += 1
            if started_at:
                side.seconds.append((finished_at - started_at).total_seconds())
    return now, before, columns, len(rows) > MOST_VIDEOS
