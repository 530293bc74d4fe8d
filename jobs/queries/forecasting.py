"""Forecasts of topics and of batches, from rows, and what is kept of them at the launch. A fixed number of queries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.utils import timezone

from jobs import forecast as pure
from jobs.forecast import LaneFacts, Order, Plain, ProviderFacts, QuotaFacts, VideoPlan
from jobs.models import Batch, Forecast, Video
from jobs.queries.plain_market import plain_of
from jobs.queries.progress import Progress, progress_of
from jobs.routing import OfferFacts
from jobs.settings_types import BatchSettings, Strategy, TopicRow, effective, merged
from jobs.states import Stage
from providers.limits import Window

# -- orders ------------------------------------------------------------------------------------------------------------


def order_of_topics(topics: Iterable[TopicRow], settings: BatchSettings, *, priority: int = 0) -> Order:
    """A batch that is not started: its rows as they stand in the list."""
    plans: dict[str, VideoPlan] = {}
    videos = []
    for topic in topics:
        key = json.dumps(topic.overrides, sort_keys=True, default=str) if topic.overrides else ""
        if key not in plans:
            own = merged(settings, topic.overrides)
            plans[key] = VideoPlan(settings=own, scenes=own.scenes)
        videos.append(plans[key])
    return Order(settings=settings, videos=tuple(videos), priority=priority)


def orders_of(batches: Sequence[Batch], progress: Mapping[int, Progress]) -> dict[int, Order]:
    """Batches as they stand: what waits for a person counts as done."""
    rows: Iterable[Any] = (
        Video.objects.filter(batch__in=[batch.pk for batch in batches], cancelled_at=None)
        .values("batch", "overrides")
        .annotate(n=Count("pk"))
        .order_by()
    )
    kinds: dict[int, list[tuple[dict[str, Any], int]]] = {}
    for row in rows:
        kinds.setdefault(row["batch"], []).append((row["overrides"], row["n"]))
    found = {}
    for batch in batches:
        videos: list[VideoPlan] = []
        bars = {bar.stage: bar for bar in progress[batch.pk].stages}
        for overrides, n in kinds.get(batch.pk, ()):
            videos += _alike(effective(batch.settings, overrides), n)
        if len(kinds.get(batch.pk, ())) == 1 and Stage.CLIP in bars:
            videos = _alike(videos[0].settings, len(videos), clips=bars[Stage.CLIP].total)
        found[batch.pk] = Order(
            settings=batch.batch_settings,
            videos=tuple(videos),
            priority=batch.priority,
            weight=batch.weight,
            done={stage: bar.done + bar.needs + bar.failed for stage, bar in bars.items()},
            running={stage: bar.running for stage, bar in bars.items()},
        )
    return found


def _alike(settings: BatchSettings, n: int, *, clips: int | None = None) -> list[VideoPlan]:
    """Scripts do not always have as many scenes as were asked for: as many scenes as there are clips to make."""
    if clips is None:
        return [VideoPlan(settings=settings, scenes=settings.scenes)] * n
    scenes, more = divmod(clips, n)
    long, short = VideoPlan(settings=settings, scenes=scenes + 1), VideoPlan(settings=settings, scenes=max(1, scenes))
    return [long] * more + [short] * (n - more)


# -- before the start, at the launch, under way ------------------------------------------------------------------------


def forecasts_of_topics(
    topics: Iterable[TopicRow], settings: BatchSettings, *, priority: int = 0, now: datetime | None = None
) -> dict[str, pure.Forecast]:
    """All four strategies; raises CannotForecast with a sentence."""
    now = now or timezone.now()
    order = order_of_topics(topics, settings, priority=priority)
    return pure.forecast(plain_of(order, now, others=list(_open_orders(now).values())))


def keep_forecast(batch: Batch, now: datetime | None = None) -> Forecast | None:
    """What is foreseen of a batch that was launched a moment ago; None when nothing can be."""
    now = now or timezone.now()
    rows = batch.videos.order_by("position").values_list("overrides", flat=True)
    topics = [TopicRow(topic="", overrides=overrides) for overrides in rows]
    order = replace(order_of_topics(topics, batch.batch_settings), priority=batch.priority, weight=batch.weight)
    strategy: Strategy = batch.batch_settings.strategy
    plain = plain_of(order, now, others=list(_open_orders(now, without=batch).values()))
    try:
        told = pure.forecast(plain, [strategy])[strategy]
    except pure.CannotForecast:
        return None
    return Forecast.objects.update_or_create(
        batch=batch,
        defaults={
            "made_at": now,
            "p10_s": told.p10_s,
            "p50_s": told.p50_s,
            "p90_s": told.p90_s,
            "first_s": told.first_s,
            "micro": told.micro,
            "told": told.as_json(),
            "market": market_as_json(plain),
        },
    )[0]


def seconds_left_of(
    batches: Sequence[Batch], progress: Mapping[int, Progress], now: datetime
) -> tuple[dict[int, float], Plain | None]:
    """Of batches that run, together with all others that do; and what that was told from."""
    if not batches:
        return {}, None
    orders = orders_of(batches, progress)
    others = _open_orders(now, without=batches)
    first, *rest = [orders[batch.pk] for batch in batches]
    plain = plain_of(first, now, others=[*rest, *others.values()])
    ends = pure.seconds_left(plain, watched=len(batches))
    return dict(zip([batch.pk for batch in batches], ends, strict=True)), plain


def _open_orders(now: datetime, *, without: Batch | Sequence[Batch] = ()) -> dict[int, Order]:
    left_out = [without.pk] if isinstance(without, Batch) else [batch.pk for batch in without]
    others = list(Batch.objects.open().filter(paused_at=None).exclude(pk__in=left_out))
    return orders_of(others, progress_of(others)) if others else {}


# -- kept as JSON ------------------------------------------------------------------------------------------------------


def market_as_json(plain: Plain) -> dict[str, Any]:
    return {
        "providers": [asdict(each) for each in plain.providers],
        "lanes": [asdict(each) for each in plain.lanes],
        "offers": [asdict(each) for each in plain.offers],
        "quotas": [{**asdict(each), "used": []} for each in plain.quotas],
        "threads": plain.threads,
        "places": plain.places,
    }


def plain_from_json(stored: Mapping[str, Any], order: Order) -> Plain:
    """Enough for a lower bound: no measurements, no prices."""
    return Plain(
        order=order,
        providers=tuple(ProviderFacts(**each) for each in stored["providers"]),
        lanes=tuple(LaneFacts(**each) for each in stored["lanes"]),
        offers=tuple(OfferFacts(**{**each, "lengths": tuple(each["lengths"])}) for each in stored["offers"]),
        quotas=tuple(
            QuotaFacts(**{**each, "window": Window(**each["window"]), "used": ()}) for each in stored["quotas"]
        ),
        threads=stored["threads"],
        places=stored["places"],
        pickup_s=0.0,
    )
