"""What providers have room for just now, and what holds the steps that are ready. A fixed number of queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q, Sum
from django.utils import timezone

from jobs.models import COUNTS, Attempt, Batch, Budget
from jobs.queries.lane_words import broken, in_bulk, later, name_of, no_room, off, paused, per_window, state_of, stopped
from jobs.queries.progress import NOUNS
from jobs.queries.queues import Queue
from jobs.queries.workers import missing_worker
from jobs.routing import CAPABILITY_OF
from providers.models import Lane, Price, Provider, Quota, Usage

HOUR = timedelta(hours=1)
LEARNED = ("durations", "tokens_seen", "failed_at")  # of lanes: long, and no page shows it


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    label: str
    used: int
    limit: int | None
    unit: str
    note: str
    held: bool = False


@dataclass(slots=True)
class Market:
    """One reading of lanes, quotas, prices and caps, from which gauges and reasons are told."""

    now: datetime
    lanes: dict[int, Lane] = field(default_factory=dict)
    in_flight: Counter[int] = field(default_factory=Counter)  # by lane
    by_provider: Counter[int] = field(default_factory=Counter)
    quotas: list[tuple[Quota, int, datetime | None]] = field(default_factory=list)  # used, when a place comes free
    priced: list[Price] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    nobody: str = ""  # the sentence that no worker is running, where work is due

    @property
    def limits(self) -> tuple[tuple[int | None, ...], ...]:
        """What people and vendors have set: other limits, other times."""
        lanes = [(lane.pk, lane.places, lane.provider.max_in_flight) for lane in self.lanes.values()]
        return (*lanes, *((quota.pk, quota.granted) for quota, *_ in self.quotas))

    def holds(self, lane: Lane, batch: Batch, queue: Queue) -> str:
        """Why a ready step of this lane does not start; "" when nothing keeps it."""
        provider = lane.provider
        return (
            off(provider, self.now)
            or paused(str(provider), provider.paused, provider.paused_until, provider.pause_reason, self.now)
            or paused(name_of(lane), lane.paused, lane.paused_until, lane.pause_reason, self.now)
            or broken(name_of(lane), lane, self.now)
            or self._no_price(lane, queue)
            or self._cap(lane, batch, queue)
            or self._full(lane)
        )

    def _no_price(self, lane: Lane, queue: Queue) -> str:
        if queue.next is None or queue.price is not None:
            return ""
        what = CAPABILITY_OF[queue.next.stage]
        return f"{lane.provider} has no price for {what}{in_bulk(lane)}, and without a price nothing is called"

    def _cap(self, lane: Lane, batch: Batch, queue: Queue, *, lasting: bool = False) -> str:
        """`lasting`: only where it does not help to wait for the bills of what is out."""
        if queue.next is None:
            return ""
        place = {"project_id": batch.project_id, "batch_id": batch.pk, "provider_id": lane.provider_id}
        for budget in self.budgets:
            room = self._room(budget)
            if room < queue.most_micro and budget.covers(**place):
                may_come_free = room + budget.reserved_micro >= queue.most_micro
                if lasting and may_come_free:
                    continue
                reserved = budget.reserved_micro if may_come_free else 0
                return no_room(str(budget), room, queue.most_micro, NOUNS[queue.next.stage][0], reserved)
        return ""

    def _room(self, budget: Budget) -> int:
        """With what is spent counted anew where a day or month has begun, as the next claim will do."""
        start = budget.counts_from(self.now)
        is_new = start is not None and (budget.period_start is None or budget.period_start < start)
        return budget.room_micro + (budget.spent_micro if is_new else 0)

    def _full(self, lane: Lane) -> str:
        if lane.bulk:  # its lines wait for none; the job does, once they are gathered
            return stopped(lane) if lane.max_in_flight == 0 else ""
        return self._quota(lane) or self._places(lane)

    def _quota(self, lane: Lane) -> str:
        for quota, used, free_at in self.quotas:
            same = quota.provider_id == lane.provider_id and quota.covers(lane)
            if same and used >= quota.granted:
                used_up = f"{name_of(lane)} has used {quota.granted} {per_window(quota)}"
                return used_up + later(free_at, self.now, ", next")
        return ""

    def _places(self, lane: Lane) -> str:
        if none := stopped(lane):
            return none
        for most, used in (
            (lane.places, self.in_flight[lane.pk]),
            (lane.provider.max_in_flight, self.by_provider[lane.provider_id]),
        ):
            if most is not None and used >= most:
                return f"a place at {lane.provider}: {used} of {most} are taken"
        return ""


def read_market(now: datetime | None = None) -> Market:
    now = now or timezone.now()
    market = Market(now=now)
    lanes = Lane.objects.select_related("provider", "offer").defer(*LEARNED)
    market.lanes = {lane.pk: lane for lane in lanes}
    for row in Attempt.objects.filter(ended_at=None).values("lane", "provider").annotate(n=Count("pk")).order_by():
        market.in_flight[row["lane"]] += row["n"]
        if not market.lanes[row["lane"]].bulk:  # lines take no place
            market.by_provider[row["provider"]] += row["n"]
    market.quotas = _quotas(now, market.lanes.values())
    market.priced = list(Price.objects.valid(now).select_related(None))
    market.budgets = list(Budget.objects.select_related("project", "batch", "provider").order_by("pk"))
    market.nobody = missing_worker(now)
    return market


def _quotas(now: datetime, lanes: Iterable[Lane]) -> list[tuple[Quota, int, datetime | None]]:
    """Used in the window that ends now, of every quota: one query for short windows, one for long ones."""
    quotas = list(Quota.objects.select_related("provider", "offer"))
    spans = {quota.pk: _span(quota, lanes) for quota in quotas}
    answer: dict[str, Any] = {}
    for rows, moment, mine in (
        (Attempt.objects.filter(COUNTS), "sent_at", [quota for quota in quotas if not quota.is_long]),
        (Usage.objects.all(), "hour", [quota for quota in quotas if quota.is_long]),
    ):
        if mine:
            since = now - max(spans[quota.pk] for quota in mine) - HOUR
            answer |= rows.filter(**{f"{moment}__gt": since}).aggregate(**_asked(mine, spans, moment, now))
    found = []
    for quota in quotas:
        first, span = answer[f"first_{quota.pk}"], spans[quota.pk]
        if quota.others_at is None or quota.others_at + span <= now:
            quota.others_units = 0  # what they used has left the window
        used = (answer[f"used_{quota.pk}"] or 0) + quota.others_units
        found.append((quota, used, first + span if first else None))
    return found


def _asked(quotas: Sequence[Quota], spans: Mapping[int, timedelta], moment: str, now: datetime) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    for quota in quotas:
        since = now - spans[quota.pk] - (HOUR if moment == "hour" else timedelta())
        mine = Q(provider=quota.provider_id, **{f"{moment}__gt": since})
        if quota.capability:
            mine &= Q(capability=quota.capability)
        if quota.offer_id:
            mine &= Q(offer=quota.offer_id)
        is_count = moment == "sent_at" and quota.unit == "requests"
        asked[f"used_{quota.pk}"] = Count("pk", filter=mine) if is_count else Sum(quota.unit, filter=mine)
        asked[f"first_{quota.pk}"] = Min(moment, filter=mine)
    return asked


def _span(quota: Quota, lanes: Iterable[Lane]) -> timedelta:
    """As a claim counts it."""
    mine = (lane for lane in lanes if lane.provider_id == quota.provider_id)
    return timedelta(seconds=quota.window_s + quota.guard_s(mine))


def gauges_of(market: Market, queues: Mapping[int, Queue]) -> list[Gauge]:
    """Of the lanes that a batch uses: places, quotas that hold for them, and what queues for them."""
    mine = [market.lanes[pk] for pk in queues]
    gauges: list[Gauge] = []
    for provider in {lane.provider_id: lane.provider for lane in mine}.values():
        own = [lane for lane in mine if lane.provider_id == provider.pk]
        gauges.append(_provider_gauge(provider, own, queues, market))
        gauges += [_lane_gauge(lane, queues, market) for lane in own if lane.places is not None and not lane.bulk]
        quotas = [row for row in market.quotas if row[0].provider_id == provider.pk]
        gauges += [_quota_gauge(*row, market.now) for row in quotas if any(map(row[0].covers, own))]
    return gauges


def holds_of(batch: Batch, market: Market, queues: Mapping[int, Queue]) -> list[str]:
    """Each thing that keeps ready steps of the batch waiting and that somebody can change, once."""
    said: dict[str, None] = {}
    for lane, queue in [(market.lanes[pk], queue) for pk, queue in queues.items() if queue.ready]:
        reason = (
            market._no_price(lane, queue)
            or market._cap(lane, batch, queue, lasting=True)
            or off(lane.provider, market.now)
            or stopped(lane)
        )
        if reason:
            said[reason] = None
    return list(said)


def _provider_gauge(provider: Provider, lanes: Sequence[Lane], queues: Mapping[int, Queue], market: Market) -> Gauge:
    queued = sum(queues[lane.pk].ready for lane in lanes)
    held = off(provider, market.now) or paused(
        "", provider.paused, provider.paused_until, provider.pause_reason, market.now
    )
    states = [state_of(lane, market.now) for lane in lanes]
    words = [held, *states, f"{queued} queued" if queued else "nothing queued"]
    return Gauge(
        label=provider.label,
        used=market.by_provider[provider.pk],
        limit=provider.max_in_flight,
        unit="in flight",
        note=" · ".join(word for word in words if word),
        held=bool(held),
    )


def _lane_gauge(lane: Lane, queues: Mapping[int, Queue], market: Market) -> Gauge:
    queued = queues[lane.pk].ready
    note = f"{queued} queued" if queued else "nothing queued"
    if lane.is_lowered:
        note += f" · the provider allows {lane.learned_cap} at once" + (
            f", not {lane.max_in_flight}" if lane.max_in_flight else ""
        )
    return Gauge(label=name_of(lane), used=market.in_flight[lane.pk], limit=lane.places, unit="in flight", note=note)


def _quota_gauge(quota: Quota, used: int, free_at: datetime | None, now: datetime) -> Gauge:
    what = " · ".join(map(str, filter(None, (quota.provider, quota.offer.label if quota.offer else quota.capability))))
    notes = [later(free_at, now, "resets") if used else "unused"]
    if quota.granted < quota.amount:
        notes.append(f"the provider grants {quota.granted}, not {quota.amount}")
    if quota.others_units:
        notes.append(f"{quota.others_units} of them used by others with this account")
    note = " · ".join(note for note in notes if note)
    return Gauge(label=what, used=used, limit=quota.granted, unit=per_window(quota), note=note)
