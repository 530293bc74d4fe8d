"""Counts what happened on a day. Days that are over are counted once and kept; the rest is counted when asked."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, CharField, Count, Min, Q, QuerySet, Sum, Value, When

from jobs.models import Asset, Attempt, Batch, LedgerEntry, Step, TalliedDay, Tally
from jobs.states import Stage, State
from jobs.transactions import atomically
from providers.models import Provider
from qc.types import Status

from .filters import day_of, midnight

What = Tally.What
Outcome = Attempt.Outcome
LAG = timedelta(hours=1)  # what ended before midnight may be written a little after it
WIDTH = 1.1  # durations are kept in classes, each a tenth wider than the one before
SHORTEST_S = 0.01
MADE = Q(outcome=Outcome.ACCEPTED, message="") | Q(outcome=Outcome.ADOPTED) & ~Q(external_id="")
UNDER_WAY = (Outcome.NONE, Outcome.UNKNOWN)
FIRST_PASSED, FIRST_FAILED, LATER_PASSED, LATER_FAILED = "first passed", "first failed", "later passed", "later failed"


class Cause:
    """Why a call brought no result; the keys of MISSED."""

    LIMIT = "rate limit"
    ACCOUNT = "account"
    REFUSED = "refused"
    FAILED = "failed"
    NOT_SENT = "not sent"
    LOST = "answer lost"
    GIVEN_UP = "given up"


CAUSE = Case(
    When(outcome=Outcome.REJECTED, http_status=429, then=Value(Cause.LIMIT)),
    When(outcome=Outcome.REJECTED, http_status__in=(401, 402, 403), then=Value(Cause.ACCOUNT)),
    When(outcome=Outcome.REJECTED, then=Value(Cause.REFUSED)),
    When(outcome=Outcome.NOT_SENT, then=Value(Cause.NOT_SENT)),
    When(outcome__in=(Outcome.UNKNOWN, Outcome.ADOPTED), then=Value(Cause.LOST)),
    When(outcome=Outcome.GIVEN_UP, then=Value(Cause.GIVEN_UP)),
    default=Value(Cause.FAILED),
    output_field=CharField(),
)
TRY = Case(
    When(round=1, inspection__passed=True, then=Value(FIRST_PASSED)),
    When(round=1, then=Value(FIRST_FAILED)),
    When(inspection__passed=True, then=Value(LATER_PASSED)),
    default=Value(LATER_FAILED),
    output_field=CharField(),
)


def class_of(seconds: float) -> int:
    return math.floor(math.log(max(seconds, SHORTEST_S)) / math.log(WIDTH))


def middle_of(duration_class: int) -> float:
    """The seconds that stand for a class: never more than 5 % off."""
    return float(WIDTH ** (duration_class + 0.5))


def count_day(day: int) -> list[Tally]:
    return [
        Tally(
            day=day, batch_id=batch, provider_id=provider, stage=stage or "", what=what, key=key, count=n, amount=sum_
        )
        for what, rows in _rows(midnight(day), midnight(day + 1))
        for batch, provider, stage, key, n, sum_ in rows
    ]


Row = tuple[int, int, str | None, str, int, int]


def _rows(start: datetime, end: datetime) -> Iterator[tuple[Tally.What, Iterator[Row]]]:
    # Naming every provider lets the databases seek in the index of attempts, which leads with it.
    attempts = Attempt.objects.filter(provider__in=_provider_ids(), ended_at__gte=start, ended_at__lt=end)
    spent = LedgerEntry.objects.filter(at__gte=start, at__lt=end).exclude(spent_micro=0).order_by()
    files = Asset.objects.filter(created_at__gte=start, created_at__lt=end, step__isnull=False, kind__in=Stage.values)
    files = files.exclude(inspection=None).order_by()
    missed = attempts.exclude(MADE).exclude(outcome=Outcome.NONE).annotate(cause=CAUSE)
    yield What.MADE, _made(attempts)
    yield What.MISSED, _counted(missed, "step__batch", "provider", "step__stage", "cause")
    money = spent.values_list("batch", "provider", "attempt__step__stage").annotate(
        n=Count("pk"), sum_=Sum("spent_micro")
    )
    yield What.SPENT, ((batch, provider, stage, "", n, sum_) for batch, provider, stage, n, sum_ in money)
    of = ("video__batch", "step__provider", "kind")
    yield What.CHECKED, _counted(files.annotate(try_=TRY), *of, "try_")
    objected = files.filter(inspection__passed=False, inspection__results__status=Status.FAILED.value)
    yield What.OBJECTED, _counted(objected, *of, "inspection__results__name")


def _provider_ids() -> list[int]:
    return list(Provider.objects.values_list("pk", flat=True))


def _counted(rows: QuerySet[Any], batch: str, provider: str, stage: str, key: str) -> Iterator[Row]:
    for b, p, s, k, n in rows.values_list(batch, provider, stage, key).annotate(n=Count("pk")):
        yield b, p, s, k, n, 0


def _made(attempts: QuerySet[Attempt]) -> Iterator[Row]:
    """From the first byte sent to the end of the call; SQLite has no logarithm of its own, so Python sorts them."""
    counts: Counter[tuple[int, int, str, int]] = Counter()
    sums: defaultdict[tuple[int, int, str, int], float] = defaultdict(float)
    made = attempts.filter(MADE)
    fields = ("step__batch", "provider", "step__stage", "on_wire_at", "sent_at", "ended_at")
    for batch, provider, stage, on_wire_at, sent_at, ended_at in made.values_list(*fields).iterator():
        seconds = max(0.0, (ended_at - (on_wire_at or sent_at)).total_seconds())
        key = (batch, provider, stage, class_of(seconds))
        counts[key] += 1
        sums[key] += seconds
    for key, n in counts.items():
        yield key[0], key[1], key[2], str(key[3]), n, round(sums[key] * 1000)


# -- days that are over ------------------------------------------------------------------------------------------------


def close_days(now: datetime, *, most: int | None = None) -> list[int]:
    """Keeps the counts of days that are over; returns the days that are still to be counted when asked.

    `most`: of so many at a time, the oldest first, for who does it beside other work and asks for no count.
    """
    oldest = Batch.objects.aggregate(at=Min("created_at"))["at"]
    today = day_of(now)
    if oldest is None:
        return [today]
    undecided = _undecided()
    kept = dict(TalliedDay.objects.values_list("day", "undecided"))
    last = _last_over(now)
    over = [day for day in range(day_of(oldest), last + 1) if kept.get(day, -1) != undecided[day]]
    for day in over[:most]:
        keep_day(day, undecided[day])
    return list(range(max(last + 1, day_of(oldest)), today + 1))


def _last_over(now: datetime) -> int:
    """The last day that nothing can end in any more: calls that are out may still be written into theirs."""
    last = day_of(now - LAG) - 1
    sending = Step.objects.filter(state=State.CLAIMED).values("pk")
    out = Attempt.objects.filter(step__in=sending, outcome=Outcome.NONE, bulk=None)  # a line ends when it is read
    first_out = out.aggregate(at=Min("sent_at"))["at"]
    return min(last, day_of(first_out) - 1) if first_out else last


def _undecided() -> Counter[int]:
    """By day: lost answers that somebody may still find, files not judged yet. Their days are counted again then."""
    waiting = Step.objects.filter(state__in=(State.UNKNOWN, State.ATTENTION)).values("pk")
    lost = Attempt.objects.filter(step__in=waiting, outcome=Outcome.UNKNOWN).exclude(ended_at=None)
    moments = [*lost.values_list("ended_at", flat=True)]
    moments += Asset.objects.filter(step__state=State.CHECKING, inspection=None).values_list("created_at", flat=True)
    return Counter(day_of(moment) for moment in moments if moment)


@atomically
def keep_day(day: int, undecided: int) -> None:
    Tally.objects.filter(day=day).delete()
    Tally.objects.bulk_create(count_day(day), batch_size=500, ignore_conflicts=True)
    TalliedDay.objects.update_or_create(day=day, defaults={"undecided": undecided})
