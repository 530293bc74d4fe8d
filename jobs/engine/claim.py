"""The only way paid work starts: one short transaction that writes the intent before any byte leaves.

Under the provider's lock: what is the room of every quota and cap, which steps are next, write their attempts,
reserve their money. Claiming is intending to send: no more is claimed than there are idle threads.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Exists, F, OuterRef, Q, Value

from jobs.models import Attempt, Batch, Budget, Step, Video, Worker
from jobs.pipeline import sha256
from jobs.states import IN_FLIGHT, State
from jobs.transactions import atomically
from providers import registry
from providers.limits import Window, guard_of, room
from providers.models import Lane, Offer, Price, Provider, Quota
from providers.types import Request

from . import books
from .failpoints import failpoint
from .requests import Ticket, as_sent, request_of
from .rows import JsonText, insert_rows, light

LEASE_MARGIN_S = 30.0
STEP_FIELDS = (
    "id",
    "batch_id",
    "video_id",
    "stage",
    "round",
    "want",
    "lane_id",
    "provider_id",
    "offer_id",
    "rank",
    "fence",
)
SEND_WITHIN = timedelta(seconds=20)  # a thread that comes later than this does not send any more
BATCH_FIELDS = ("id", "project_id", "priority", "weight", "width", "open_gate", "gate_opens_at")
# What an attempt says before anything is known of it.
NOTHING_YET = {
    "outcome": Attempt.Outcome.NONE.value,
    "external_id": "",
    "message": "",
    "tokens": 0,
    "units": JsonText("{}"),
    "cost_micro": 0,
}


@dataclass(slots=True)
class Claim:
    """What was claimed, and when there may be room for more (None: nothing waits for time)."""

    tickets: list[Ticket] = field(default_factory=list)
    next_at: datetime | None = None
    held_by: str = ""  # the sentence of what keeps ready steps waiting, for the pages

    def wait_until(self, moment: datetime) -> None:
        self.next_at = moment if self.next_at is None else min(self.next_at, moment)


@atomically
def claim(slug: str, worker: Worker, places: int, clock: Callable[[], datetime], *, alone_only: bool = False) -> Claim:
    """Claims at most `places` steps of a provider. `alone_only`: just steps that once ended a process, one of them."""
    provider = Provider.objects.select_for_update().get(slug=slug)
    now = clock()  # read once, after the lock is held
    result = Claim()
    if not provider.is_open(now):
        if provider.paused_until:
            result.wait_until(provider.paused_until)
        return result
    desk = _Desk(provider, now, result)
    queue = _Queue(provider, list(desk.open_lanes), now, alone_only=alone_only)
    steps: list[Step] = []
    most = 1 if alone_only else places
    while len(steps) < most and not desk.is_full() and (found := queue.next(most - len(steps))):
        admitted = desk.admit(found)
        steps += admitted
        queue.passed(found, admitted)
        if len(admitted) == len(found):
            break  # there was no more, or there are no more places
    if steps:
        desk.write(steps, worker)
        failpoint("mid_claim")
    return result


class _Queue:
    """The next steps of every open batch: by priority, then fair share (fewest in flight over weight), then rank.

    What one lane or one cap has no room for must not keep others waiting: it is passed over from then on.
    """

    def __init__(self, provider: Provider, lanes: list[int], now: datetime, *, alone_only: bool) -> None:
        self.provider, self.now, self.alone_only = provider, now, alone_only
        suspect = {"crash_count__gt": 0} if alone_only else {"crash_count": 0}
        self.ready = Step.objects.filter(
            provider=provider, state=State.READY, lane__in=lanes, not_before__lte=now, **suspect
        )
        self.batches = {batch.pk: batch for batch in self._open_batches()}
        self.in_flight: Counter[int] = Counter()
        out = Step.objects.filter(batch__in=self.batches, state__in=(*IN_FLIGHT, State.UNKNOWN))
        for row in out.values("batch").annotate(n=Count("pk")).order_by():
            self.in_flight[row["batch"]] = row["n"]
        self.seen: set[int] = set()
        self.full: dict[int, set[tuple[int, int | None]]] = {}  # batch -> (lane, offer) without room

    def _open_batches(self) -> Iterable[Batch]:
        waiting = Exists(self.ready.filter(batch=OuterRef("pk")))
        batches = light(Batch.objects.filter(waiting, paused_at=None, cancelled_at=None), BATCH_FIELDS)
        narrow = [batch.pk for batch in batches if batch.width is not None]
        if narrow:  # claims of other providers count against the same width
            list(Batch.objects.select_for_update().filter(pk__in=narrow).order_by("pk").values_list("pk"))
        return batches

    def next(self, most: int) -> list[Step]:
        queues = {batch_id: self._of(batch, most) for batch_id, batch in self.batches.items()}
        counts = self.in_flight.copy()
        chosen: list[Step] = []
        while len(chosen) < most and any(queues.values()):
            batch_id = min(
                (b for b, queue in queues.items() if queue),
                key=lambda b: (-self.batches[b].priority, counts[b] / (self.batches[b].weight or 1), b),
            )
            step = queues[batch_id].pop(0)
            step.batch = self.batches[batch_id]
            counts[batch_id] += 1
            chosen.append(step)
        return chosen

    def _of(self, batch: Batch, most: int) -> list[Step]:
        if batch.width is not None:
            most = min(most, batch.width - self.in_flight[batch.pk])
            if most <= 0 or not self._is_its_turn(batch):
                return []
        opens_later = batch.gate_opens_at is not None and batch.gate_opens_at > self.now
        gate = Q(gate__lt=batch.open_gate) if opens_later else Q(gate__lte=batch.open_gate)
        steps = self.ready.filter(gate, batch=batch, video__cancelled_at=None).exclude(pk__in=self.seen)
        for lane, offer in self.full.get(batch.pk, ()):
            steps = steps.exclude(lane=lane, offer=offer)
        return light(steps.order_by("rank", "pk")[:most], STEP_FIELDS, {"offer": Offer.objects.all()})

    def _is_its_turn(self, batch: Batch) -> bool:
        """In a narrow batch nothing overtakes what stands before it at another provider."""
        ready = Step.objects.filter(batch=batch, state=State.READY, video__cancelled_at=None)
        first = ready.order_by("rank", "pk").values_list("provider", flat=True).first()
        return first == self.provider.pk

    def passed(self, found: list[Step], admitted: list[Step]) -> None:
        self.seen.update(step.pk for step in admitted)
        for step in admitted:
            self.in_flight[step.batch_id] += 1
        for step in found:
            if step.pk not in self.seen:
                self.full.setdefault(step.batch_id, set()).add((step.lane_id, step.offer_id))


@dataclass(slots=True)
class _Meter:
    """What is left of one quota within this claim."""

    quota: Quota
    used: list[tuple[float, int]]  # (moment, units), oldest first

    def wait(self, units: int, now: datetime) -> datetime | None:
        """When there is room for so many units; None: now. More than the whole quota waits for the whole quota."""
        need = min(units, self.quota.amount)
        window = Window(amount=self.quota.amount, seconds=self.quota.window_s, guard_s=guard_of(self.quota.window_s))
        left, next_at = room(window, self.used, now.timestamp(), want=need)
        return None if left >= need else datetime.fromtimestamp(next_at, UTC)

    def take(self, units: int, now: datetime) -> None:
        self.used.append((now.timestamp(), units))


class _Admitted(NamedTuple):
    request: Request  # with the tag of its attempt
    units: dict[str, int]
    price: Price
    micro: int


class _Desk:
    """One claim's view of a provider: lanes, meters, prices, caps."""

    def __init__(self, provider: Provider, now: datetime, result: Claim) -> None:
        self.provider, self.now, self.result = provider, now, result
        self.adapter = registry.get(provider.slug)
        live = Attempt.objects.filter(provider=provider, ended_at=None)
        self.in_flight = Counter(
            {row["lane"]: row["n"] for row in live.values("lane").annotate(n=Count("pk")).order_by()}
        )
        self.open_lanes: dict[int, Lane] = {}
        for lane in Lane.objects.filter(provider=provider):
            if lane.paused_until and lane.paused_until > now:
                result.wait_until(lane.paused_until)
            elif not lane.paused and (lane.max_in_flight is None or self.in_flight[lane.pk] < lane.max_in_flight):
                self.open_lanes[lane.pk] = lane
        self.meters = [self._read(quota) for quota in Quota.objects.filter(provider=provider).order_by()]
        self.prices: list[Price] = books.valid_prices(provider.pk, now)
        self.price_of: dict[tuple[str, int | None], Price | None] = {}
        self.budgets: Sequence[Budget] | None = None
        self.admitted: dict[int, _Admitted] = {}

    def _read(self, quota: Quota) -> _Meter:
        """Usage is the sum over the provider's own attempts; one not on the wire yet counts as sent now."""
        back = quota.window_s + guard_of(quota.window_s) + self.adapter_longest_s()
        rows = Attempt.objects.filter(provider=self.provider, sent_at__gt=self.now - timedelta(seconds=back)).exclude(
            outcome=Attempt.Outcome.NOT_SENT
        )
        if quota.capability:
            rows = rows.filter(capability=quota.capability)
        if quota.offer_id:
            rows = rows.filter(offer=quota.offer_id)
        units = F(quota.unit) if quota.unit != Quota.Unit.REQUESTS else Value(1)
        used = []
        for on_wire_at, ended_at, sent_at, n in rows.values_list("on_wire_at", "ended_at", "sent_at", units):
            at = on_wire_at or (sent_at if ended_at else self.now)
            used.append((at.timestamp(), n))
        return _Meter(quota, sorted(used))

    def adapter_longest_s(self) -> float:
        return max((self.adapter.deadline_of(c) for c in self.adapter.capabilities), default=60.0)

    def admit(self, steps: list[Step]) -> list[Step]:
        """Those of the steps for which every quota, cap and budget has room."""
        admitted: list[Step] = []
        if self.budgets is None:
            self.budgets = books.lock_budgets(self.now)
        for step in steps:
            if not self._has_place(step):
                continue
            request = request_of(step, tag=uuid.uuid4().hex)
            units = books.most_units(request)
            meters = [m for m in self.meters if m.quota.matches(request.capability, step.offer_id)]
            waits = [at for meter in meters if (at := meter.wait(_need(meter, units), self.now))]
            if waits:
                self.result.wait_until(max(waits))
                continue
            price = self._price(request.capability, step.offer_id)
            if price is None:
                self.result.held_by = f"{self.provider} has no price for {request.capability}: no price, no call."
                continue
            micro = books.cost(price, units)
            full = books.admit(
                self.budgets,
                micro=micro,
                project_id=step.batch.project_id,
                batch_id=step.batch_id,
                provider_id=self.provider.pk,
            )
            if full:
                self.result.held_by = f"{full} is used up."
                continue
            for meter in meters:
                meter.take(_need(meter, units), self.now)
            self.in_flight[step.lane_id] += 1
            self.admitted[step.pk] = _Admitted(request=request, units=units, price=price, micro=micro)
            admitted.append(step)
        return admitted

    def _price(self, capability: str, offer_id: int | None) -> Price | None:
        kind = (capability, offer_id)
        if kind not in self.price_of:
            self.price_of[kind] = books.price_for(self.prices, capability, offer_id)
        return self.price_of[kind]

    def is_full(self) -> bool:
        cap = self.provider.max_in_flight
        return cap is not None and self.in_flight.total() >= cap

    def _has_place(self, step: Step) -> bool:
        most = self.open_lanes[step.lane_id].max_in_flight
        return (most is None or self.in_flight[step.lane_id] < most) and not self.is_full()

    def write(self, steps: list[Step], worker: Worker) -> None:
        """Marks the steps, then writes what is intended. Steps that were cancelled meanwhile fall out here."""
        ours = _take(steps, worker, self.now, self._lease)
        if not ours:
            return
        keys = self._insert_attempts(ours)
        self.result.tickets += [self._ticket(step, keys[step.pk]) for step in ours]
        books.write([self._reserve(step, keys[step.pk]) for step in ours], self.now, caps=bool(self.budgets))
        Video.objects.filter(pk__in={step.video_id for step in ours}, started_at=None).update(
            started_at=self.now, state=Video.State.RUNNING
        )

    def _lease(self, step: Step) -> float:
        return (
            self.adapter.deadline_of(self.admitted[step.pk].request.capability)
            + SEND_WITHIN.total_seconds()
            + LEASE_MARGIN_S
        )

    def _insert_attempts(self, steps: Sequence[Step]) -> dict[int, int]:
        """Returns the ids of the attempts by those of the steps."""
        rows = [self._attempt(step) for step in steps]
        insert_rows(Attempt, tuple(rows[0]), [tuple(row.values()) for row in rows])
        written = Attempt.objects.filter(tag__in=[row["tag"] for row in rows])
        return dict(written.values_list("step_id", "pk"))

    def _attempt(self, step: Step) -> dict[str, Any]:
        admitted = self.admitted[step.pk]
        sent = as_sent(admitted.request)
        return {
            "step_id": step.pk,
            "no": step.fence,
            "lane_id": step.lane_id,
            "offer_id": step.offer_id,
            "capability": admitted.request.capability.value,
            "tag": admitted.request.tag,
            "request": JsonText(sent),
            "request_hash": sha256(sent),
            "images": admitted.units.get("images", 0),
            "characters": admitted.units.get("characters", 0),
            "price_id": admitted.price.pk,
            "reserved_micro": admitted.micro,
            "provider_id": self.provider.pk,
            "sent_at": self.now,
            "send_deadline": self.now + SEND_WITHIN,
            **NOTHING_YET,
        }

    def _ticket(self, step: Step, attempt_id: int) -> Ticket:
        return Ticket(
            step_id=step.pk,
            fence=step.fence,
            stage=step.stage,
            slug=self.provider.slug,
            request=self.admitted[step.pk].request,
            options=self.provider.options,
            attempt_id=attempt_id,
            send_by=self.now + SEND_WITHIN,
        )

    def _reserve(self, step: Step, attempt_id: int) -> books.Move:
        micro = self.admitted[step.pk].micro
        return books.reserved(
            books.Charge(pk=attempt_id, provider_id=self.provider.pk, reserved_micro=micro), step.batch
        )


def _need(meter: _Meter, units: dict[str, int]) -> int:
    return 1 if meter.quota.unit == Quota.Unit.REQUESTS else units.get(meter.quota.unit, 0)


def _take(steps: Sequence[Step], worker: Worker, now: datetime, lease_s: Callable[[Step], float]) -> list[Step]:
    """READY to CLAIMED with a new fence; returns those that are ours now."""
    by_lease: dict[float, list[Step]] = {}
    for step in steps:
        by_lease.setdefault(lease_s(step), []).append(step)
    ours: list[Step] = []
    for seconds, group in by_lease.items():
        ids = [step.pk for step in group]
        count = Step.objects.filter(pk__in=ids, state=State.READY).update(
            state=State.CLAIMED,
            fence=F("fence") + 1,
            owner=worker.pk,
            lease_until=now + timedelta(seconds=seconds),
            crash_count=F("crash_count") + 1,
            message="",
        )
        if count != len(group):
            mine = Step.objects.filter(pk__in=ids, state=State.CLAIMED, owner=worker.pk)
            kept = dict(mine.values_list("pk", "fence"))
            group = [step for step in group if kept.get(step.pk) == step.fence + 1]
        for step in group:
            step.fence += 1
        ours.extend(group)
    return sorted(ours, key=lambda step: step.rank)
