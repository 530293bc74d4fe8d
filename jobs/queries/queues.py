"""What of one batch queues in every lane, and what its next call there may cost: just what the engine asks of caps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q

from jobs.models import Batch, Step
from jobs.routing import CAPABILITY_OF
from jobs.states import State
from providers import registry
from providers.models import Price, price_for
from providers.pricing import cost, most_units
from providers.types import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    ready: int = 0
    next: Step | None = None  # that may start now: while it has no room, none behind it starts
    price: Price | None = None
    most_micro: int = 0  # that call costs at most


def queues_of(batch: Batch, prices: Iterable[Price], now: datetime) -> dict[int, Queue]:
    """By lane, of all that the batch uses. Two queries."""
    ready = Q(state=State.READY, video__cancelled_at=None)
    opens_later = batch.gate_opens_at is not None and batch.gate_opens_at > now
    is_open = Q(gate__lt=batch.open_gate) if opens_later else Q(gate__lte=batch.open_gate)
    rows = Step.objects.filter(batch=batch).order_by("lane_id").values_list("lane_id")
    counted = rows.annotate(
        ready=Count("pk", filter=ready), first=Min("rank", filter=ready & is_open & Q(not_before__lte=now))
    )
    found = {lane: (count, rank) for lane, count, rank in counted}
    steps = _at({lane: rank for lane, (_, rank) in found.items() if rank is not None}, batch)
    return {lane: _queue(count, steps.get(lane), prices) for lane, (count, _) in found.items()}


def _at(ranks: Mapping[int, int], batch: Batch) -> dict[int, Step]:
    steps = Step.objects.filter(batch=batch, state=State.READY, rank__in=set(ranks.values()))
    fields = ("lane__bulk", "rank", "stage", "want", "provider__slug", "offer__name")
    found = steps.select_related("provider", "offer", "lane").only(*fields).order_by("-pk")
    return {step.lane_id: step for step in found if ranks.get(step.lane_id) == step.rank}


def _queue(ready: int, step: Step | None, prices: Iterable[Price]) -> Queue:
    if step is None:
        return Queue(ready=ready)
    own = [price for price in prices if price.provider_id == step.provider_id]
    price = price_for(own, CAPABILITY_OF[step.stage], step.offer_id, bulk=step.lane.bulk)
    return Queue(ready=ready, next=step, price=price, most_micro=most_micro(step, price) if price else 0)


def most_micro(step: Step, price: Price) -> int:
    want = step.want
    request = Request(
        capability=CAPABILITY_OF[step.stage],
        offer=step.offer.name if step.offer else "",
        prompt=want.get("prompt", ""),
        seconds=want.get("seconds", 0.0),
        takes=want.get("takes", 1),
        extra=want.get("extra", {}),
    )
    adapter = registry.all_adapters().get(step.provider.slug)
    return cost(price, adapter.most_units(request) if adapter else most_units(request))
