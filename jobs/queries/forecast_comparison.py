"""Finished batches beside what was foreseen of them, and beside the least time that their own quotas allowed.

A fixed number of queries for a page of batches. Batches that waited for people are shown and left out of the sums: no
forecast knows when somebody comes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Avg, Count, ExpressionWrapper, F, Min, QuerySet, Sum
from django.db.models.fields import DurationField
from django.db.models.functions import Coalesce

from jobs.forecast import Load, Order, Plain, VideoPlan, bound_of, from_json
from jobs.models import Asset, Attempt, Batch, LedgerEntry, Review, Video
from jobs.queries.forecasting import plain_from_json
from jobs.queries.foreseen import STRATEGY_WORDS, Picture, picture_of
from jobs.routing import OfferFacts
from jobs.states import STAGE_NUMBER

TOOK = ExpressionWrapper(F("ended_at") - Coalesce("on_wire_at", "sent_at"), output_field=DurationField())
MOST_SUMMED = 200  # the newest ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    batch: Batch
    strategy: str
    p50_s: float
    p90_s: float
    took_s: float
    off: float  # share of what it took
    in_time: bool  # by the P90
    with_people: bool
    bound_s: float
    of_bound: float | None
    binding: str
    foreseen_micro: int
    spent_micro: int
    picture: Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    count: int
    median_off: float | None
    in_time: int


def finished_with_forecast(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Batch]:
    batches = Batch.objects.for_user(user).exclude(finished_at=None).exclude(forecast=None)
    return batches.select_related("project", "forecast").order_by("-finished_at", "-pk")


def summary_of(user: AbstractBaseUser | AnonymousUser) -> Summary:
    """Of the newest ones in which nobody had to be waited for."""
    batches = [batch for batch in finished_with_forecast(user)[:MOST_SUMMED] if not _has_gates(batch)]
    reviewed = _reviewed(batches)
    told = [(batch.forecast, _took_s(batch)) for batch in batches if batch.pk not in reviewed]
    off = [abs(forecast.p50_s - took) / took for forecast, took in told]
    return Summary(
        count=len(told),
        median_off=median(off) if off else None,
        in_time=sum(took <= forecast.p90_s for forecast, took in told),
    )


def compared(batches: Sequence[Batch]) -> list[Compared]:
    ids = [batch.pk for batch in batches]
    videos = dict(
        Video.objects.filter(batch__in=ids, cancelled_at=None).values_list("batch").annotate(n=Count("pk")).order_by()
    )
    spent = dict(
        LedgerEntry.objects.filter(batch__in=ids).values_list("batch").annotate(n=Sum("spent_micro")).order_by()
    )
    plains = {batch.pk: _plain(batch, videos.get(batch.pk, 0)) for batch in batches}
    loads, reviewed = _loads(plains), _reviewed(batches)
    return [
        _one(batch, plains[batch.pk], loads[batch.pk], spent.get(batch.pk, 0), with_people=batch.pk in reviewed)
        for batch in batches
    ]


def _one(batch: Batch, plain: Plain, loads: list[Load], spent: int, *, with_people: bool) -> Compared:
    told, took = from_json(batch.forecast.told), _took_s(batch)
    bound = bound_of(plain, batch.batch_settings, loads)
    name = STRATEGY_WORDS[told.strategy][0]
    return Compared(
        batch=batch,
        strategy=name,
        p50_s=told.p50_s,
        p90_s=told.p90_s,
        took_s=took,
        off=(took - told.p50_s) / took,
        in_time=took <= told.p90_s,
        with_people=with_people or _has_gates(batch),
        bound_s=bound.seconds,
        of_bound=took / bound.seconds if bound.seconds > 0 else None,
        binding=bound.binding,
        foreseen_micro=told.micro,
        spent_micro=spent,
        picture=picture_of(told, name),
    )


def _took_s(batch: Batch) -> float:
    assert batch.finished_at is not None
    return max(0.001, (batch.finished_at - batch.created_at).total_seconds())


def _has_gates(batch: Batch) -> bool:
    settings = batch.batch_settings
    return settings.script_gate or settings.render_gate


def _reviewed(batches: Sequence[Batch]) -> set[int]:
    found = Review.objects.filter(asset__video__batch__in=[batch.pk for batch in batches])
    return set(found.values_list("asset__video__batch", flat=True).distinct().order_by())


def _plain(batch: Batch, videos: int) -> Plain:
    settings = batch.batch_settings
    plan = VideoPlan(settings=settings, scenes=settings.scenes)
    return plain_from_json(batch.forecast.market, Order(settings=settings, videos=(plan,) * max(1, videos)))


def _loads(plains: dict[int, Plain]) -> dict[int, list[Load]]:
    """What each batch really asked for: its own calls and checks, with the durations they had."""
    checks = _checks(list(plains))
    found: dict[int, list[Load]] = defaultdict(list)
    sent = Attempt.objects.filter(step__batch__in=list(plains)).exclude(outcome=Attempt.Outcome.NOT_SENT)
    rows: Any = (
        sent.exclude(ended_at=None)
        .values("step__batch", "step__stage", "lane", "provider", "capability", "offer")
        .annotate(
            requests=Count("pk"),
            mean=Avg(TOOK),
            least=Min(TOOK),
            i=Sum("images"),
            t=Sum("tokens"),
            c=Sum("characters"),
        )
        .order_by()
    )
    for row in sorted(rows, key=lambda row: STAGE_NUMBER[row["step__stage"]]):
        batch, stage = row["step__batch"], row["step__stage"]
        found[batch].append(_load(row, plains[batch], checks.get((batch, stage), 0.0)))
    return found


def _load(row: dict[str, Any], plain: Plain, check_s: float) -> Load:
    counts = {"requests": row["requests"], "images": row["i"], "tokens": row["t"], "characters": row["c"]}
    sold = OfferFacts(
        id=row["offer"] or 0,
        provider_id=row["provider"],
        lane_id=row["lane"],
        capability=row["capability"],
        name="",
    )
    in_bulk = row["lane"] in {lane.id for lane in plain.lanes if lane.bulk_s is not None}
    quotas = () if in_bulk else plain.quotas
    return Load(
        stage=row["step__stage"],
        lane_id=row["lane"],
        calls=row["requests"],
        seconds=max(0.0, row["mean"].total_seconds()),
        shortest_s=max(0.0, row["least"].total_seconds()),
        check_s=check_s,
        units={n: counts[quota.unit] for n, quota in enumerate(quotas) if quota.matches(sold)},
    )


def _checks(ids: Sequence[int]) -> dict[tuple[int, str], float]:
    rows = Asset.objects.filter(video__batch__in=ids, checked_s__gt=0).values_list("video__batch", "kind")
    return {(batch, kind): mean for batch, kind, mean in rows.annotate(mean=Avg("checked_s")).order_by()}
