"""One claim's view of a provider: which lanes are open, what quotas and caps still grant; and what it writes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple

from django.db.models import Count, F, Max

from jobs.models import Attempt, Budget, Step, Video, Worker
from jobs.pipeline import sha256
from jobs.prepared import change, question
from jobs.routing import CAPABILITY_OF
from jobs.states import State
from jobs.tags import new_tag
from providers import registry
from providers.models import Lane, Price, Provider, Quota, price_for
from providers.types import Request

from . import books
from .meters import SEND_WITHIN, UNITS, QuotaMeter, count_usage, hour_of, read_meters
from .requests import Ticket, as_sent, request_of
from .rows import JsonText, in_state, insert_rows

log = logging.getLogger(__name__)
LEASE_MARGIN_S = 30.0
EARLY_SHARE = 0.6  # of how far ahead places are claimed: begun so early, one claim takes all that come close together
FEW, MANY = 16, 256  # steps read at first, where few and where many may find room
# What an attempt says before anything is known of it.
NOTHING_YET = {
    "outcome": Attempt.Outcome.NONE.value,
    "external_id": "",
    "message": "",
    "units": JsonText("{}"),
    "cost_micro": 0,
}


@dataclass(slots=True)
class Claim:
    """What was claimed, and when there may be room for more (None: nothing waits for time)."""

    tickets: list[Ticket] = field(default_factory=list)
    next_at: datetime | None = None  # the next place comes free
    again_at: datetime | None = None  # it can be claimed: a little earlier
    full_lanes: set[int] = field(default_factory=set)  # where nothing can be claimed before a place comes free
    answers_make_room: bool = False  # before that moment: by using less than was reserved, or by ending a pause

    def wait_until(self, moment: datetime, *, early_s: float = 0.0) -> None:
        early = moment - timedelta(seconds=early_s)
        self.next_at = moment if self.next_at is None else min(self.next_at, moment)
        self.again_at = early if self.again_at is None else min(self.again_at, early)


class _Admitted(NamedTuple):
    request: Request  # with the tag of its attempt
    units: dict[str, int]
    price: Price
    micro: int
    at: datetime  # when it may leave


class Desk:
    """Places are given away up to `ahead_s` before their moment, so that all is ready when it comes."""

    def __init__(self, provider: Provider, now: datetime, result: Claim, ahead_s: float) -> None:
        self.provider, self.now, self.result, self.ahead_s = provider, now, result, ahead_s
        self.adapter = registry.get(provider.slug)
        self.in_flight: Counter[int] = Counter()
        self.open_lanes: dict[int, Lane] = {}
        self.most: dict[int, int | None] = {}  # lane -> calls and jobs at once
        lanes = self._read_lanes()
        self.meters = read_meters(provider, lanes, now)
        self.of_kind: dict[tuple[str, int | None], list[QuotaMeter]] = {}
        self.prices: list[Price] | None = None  # read, as the budgets, once there is a place for something
        self.price_of: dict[tuple[str, int | None], Price | None] = {}
        self.budgets: Sequence[Budget] | None = None
        self.admitted: dict[int, _Admitted] = {}

    def _read_lanes(self) -> list[Lane]:
        latest: dict[int, datetime] = {}
        for lane_id, count, at in _live(self.provider.pk):
            self.in_flight[lane_id], latest[lane_id] = count, at
        lanes: list[Lane] = _lanes_of(self.provider.pk)
        for lane in lanes:
            until = max((at for at in (lane.paused_until, lane.broken_until) if at and at > self.now), default=None)
            if lane.bulk:  # its steps go another way (bulk_claim.py), and take no place
                self.most[lane.pk] = self.in_flight[lane.pk] = 0
            elif until:
                self.result.wait_until(until)
                self.result.answers_make_room = True
            elif not lane.paused and self._opens(lane, latest.get(lane.pk)):
                self.open_lanes[lane.pk] = lane
        return lanes

    def _opens(self, lane: Lane, latest: datetime | None) -> bool:
        """One that broke lets a single call through, and no more until that has come back."""
        most = lane.places
        if lane.broken_until:
            if latest and latest >= lane.broken_until:
                return False
            one_more = self.in_flight[lane.pk] + 1
            most = one_more if most is None else min(most, one_more)
        self.most[lane.pk] = most
        return most is None or self.in_flight[lane.pk] < most

    def admit(self, steps: list[Step]) -> list[Step]:
        """Those of the steps for which every quota, cap and budget has room."""
        admitted: list[Step] = []
        for step in steps:
            meters = self._meters_for(step)
            if not self._has_place(step) or any(meter.is_over for meter in meters):
                continue
            try:
                request = request_of(step, tag=new_tag())
                units = self.adapter.most_units(request)
            except Exception:  # of one offer or step: the others go on
                log.exception("step %s: no request can be made of it", step.pk)
                continue
            at = self._when(meters, units)
            if at is None:
                continue
            price = self._price(request.capability, step.offer_id)
            if price is None or not is_counted(price, units):  # no price, no call
                continue
            micro = books.cost(price, units)
            if self.budgets is None:
                self.budgets = books.lock_budgets(self.now)
            full = books.admit(
                self.budgets,
                micro=micro,
                project_id=step.batch.project_id,
                batch_id=step.batch_id,
                provider_id=self.provider.pk,
            )
            if full:
                continue
            for meter in meters:
                meter.take(units, at.timestamp())
            self.in_flight[step.lane_id] += 1
            self.admitted[step.pk] = _Admitted(request=request, units=units, price=price, micro=micro, at=at)
            admitted.append(step)
        return admitted

    def _meters_for(self, step: Step) -> list[QuotaMeter]:
        return self._meters_of(CAPABILITY_OF[step.stage], step.offer_id)

    def _meters_of(self, capability: str, offer_id: int | None) -> list[QuotaMeter]:
        kind = (capability, offer_id)
        if kind not in self.of_kind:
            self.of_kind[kind] = [meter for meter in self.meters if meter.quota.matches(*kind)]
        return self.of_kind[kind]

    def _when(self, meters: Sequence[QuotaMeter], units: dict[str, int]) -> datetime | None:
        """When it may leave; None if that is too far ahead: what it waits for is kept for it."""
        at = now = self.now.timestamp()
        while (later := max((meter.when(units, at) for meter in meters), default=at)) > at:
            at = later  # what has room at an earlier moment need not have it at this one
        ahead_s = min((meter.ahead_s(self.ahead_s) for meter in meters), default=self.ahead_s)
        if at <= now + ahead_s:
            return datetime.fromtimestamp(at, UTC) if at > now else self.now
        for meter in [meter for meter in meters if meter.when(units, now) > now + ahead_s]:
            self.result.answers_make_room |= meter.quota.unit == Quota.Unit.TOKENS
            meter.keep(units, at)
        self.result.wait_until(datetime.fromtimestamp(at, UTC), early_s=ahead_s * EARLY_SHARE)
        return None

    def _price(self, capability: str, offer_id: int | None) -> Price | None:
        kind = (capability, offer_id)
        if self.prices is None:
            self.prices = books.valid_prices(self.provider.pk, self.now)
        if kind not in self.price_of:
            self.price_of[kind] = price_for(self.prices, capability, offer_id)
        return self.price_of[kind]

    def is_full(self) -> bool:
        cap = self.provider.max_in_flight
        return cap is not None and self.in_flight.total() >= cap

    def is_over(self) -> bool:
        """A quota of all its calls has no room, and enough wait for it."""
        return any(meter.is_over and meter.quota.is_of_all for meter in self.meters)

    def likely(self) -> int:
        """About how many steps there is room for: so many are worth reading at first."""
        requests = [meter.free for meter in self.meters if meter.quota.unit == Quota.Unit.REQUESTS]
        differ = any(meter.quota.unit != Quota.Unit.REQUESTS for meter in self.meters)
        return FEW if differ else max(FEW, sum(requests)) if requests else MANY

    def full_lanes(self) -> set[int]:
        """Where nothing can be claimed before a place comes free."""
        full = {lane for lane, most in self.most.items() if most is not None and self.in_flight[lane] >= most}
        return set(self.most) if self.is_full() else full

    def _has_place(self, step: Step) -> bool:
        most = self.most[step.lane_id]
        return (most is None or self.in_flight[step.lane_id] < most) and not self.is_full()

    # -- what is written -------------------------------------------------------------------------

    def write(self, steps: list[Step], worker: Worker) -> None:
        """Marks the steps, then writes what is intended. Steps that were cancelled meanwhile fall out here."""
        ours = _take(steps, worker, self.now, self._lease)
        if not ours:
            return
        keys = self._insert_attempts(ours)
        self.result.tickets += [self._ticket(step, keys[step.pk]) for step in ours]
        books.write([self._reserve(step, keys[step.pk]) for step in ours], self.now)
        Video.objects.filter(pk__in={step.video_id for step in ours}, started_at=None).update(
            started_at=self.now, state=Video.State.RUNNING
        )

    def _lease(self, step: Step) -> float:
        return (
            self.adapter.deadline_of(self.admitted[step.pk].request.capability)
            + self.ahead_s
            + SEND_WITHIN.total_seconds()
            + LEASE_MARGIN_S
        )

    def _insert_attempts(self, steps: Sequence[Step]) -> dict[int, int]:
        """Returns the ids of the attempts by those of the steps."""
        rows = [self._attempt(step) for step in steps]
        insert_rows(Attempt, tuple(rows[0]), [tuple(row.values()) for row in rows])
        counts: dict[tuple[str, int | None, datetime], dict[str, int]] = {}
        for row in rows:
            hour = counts.setdefault((row["capability"], row["offer_id"], hour_of(row["sent_at"])), {"requests": 0})
            hour["requests"] += 1
            for unit in UNITS:
                hour[unit] = hour.get(unit, 0) + row[unit]
        count_usage(self.provider.pk, counts)
        return dict(_by_tag([row["tag"] for row in rows]))

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
            "tokens": admitted.units.get("tokens", 0),
            "characters": admitted.units.get("characters", 0),
            "price_id": admitted.price.pk,
            "reserved_micro": admitted.micro,
            "provider_id": self.provider.pk,
            "sent_at": admitted.at,
            "send_deadline": admitted.at + SEND_WITHIN,
            **NOTHING_YET,
        }

    def _ticket(self, step: Step, attempt_id: int) -> Ticket:
        admitted = self.admitted[step.pk]
        return Ticket(
            step_id=step.pk,
            fence=step.fence,
            stage=step.stage,
            slug=self.provider.slug,
            request=admitted.request,
            options=self.provider.options,
            attempt_id=attempt_id,
            lane_id=step.lane_id,
            send_at=admitted.at,
            gap_s=max((meter.gap_s(admitted.units) for meter in self._meters_for(step)), default=0.0),
            send_by=admitted.at + SEND_WITHIN,
            send_until=monotonic() + (admitted.at - self.now + SEND_WITHIN).total_seconds(),
        )

    def _reserve(self, step: Step, attempt_id: int) -> books.Move:
        charge = books.Charge(attempt_id, self.provider.pk, self.admitted[step.pk].micro)
        return books.reserved(charge, step.batch, _note_of(step))


def _note_of(step: Step) -> str:
    """Who makes it instead of whom is said with the step."""
    if not step.instead_of_id:
        return ""
    why = f", which {step.get_gave_way_display()}" if step.gave_way else ""
    return f"took over from another provider{why}"


def is_counted(price: Price, units: Mapping[str, int]) -> bool:
    """Whether what is priced is something that calls of this kind are counted by; else it would cost nothing."""
    return not price.micro or price.unit == "calls" or price.unit in units


@question
def _live(provider: Any) -> Any:
    """(lane, how many calls and jobs are out, when the latest of them left)"""
    live = Attempt.objects.filter(provider=provider, ended_at=None).values_list("lane")
    return live.annotate(n=Count("pk"), latest=Max("sent_at")).order_by()


@question
def _lanes_of(provider: Any) -> Any:
    return Lane.objects.filter(provider=provider)


@change
def _claimed(ids: Any, fence: Any, provider: Any, worker: Any, until: Any) -> Any:
    ready = in_state(ids, State.READY).filter(fence=fence, provider=provider)
    changes = {"state": State.CLAIMED, "owner": worker, "lease_until": until, "message": ""}
    return ready, {**changes, "fence": F("fence") + 1, "crash_count": F("crash_count") + 1}


@question
def _by_tag(tags: Any) -> Any:
    return Attempt.objects.filter(tag__in=tags).values_list("step_id", "pk")


def _take(steps: Sequence[Step], worker: Worker, now: datetime, lease_s: Callable[[Step], float]) -> list[Step]:
    """READY to CLAIMED with a new fence; returns those that are ours now, as they were chosen."""
    by_kind: dict[tuple[float, int], list[Step]] = {}
    for step in steps:
        by_kind.setdefault((lease_s(step), step.fence), []).append(step)
    ours: list[Step] = []
    for (seconds, fence), group in by_kind.items():
        ids = [step.pk for step in group]
        count = _claimed(ids, fence, group[0].provider_id, worker.pk, now + timedelta(seconds=seconds))
        if count != len(group):
            mine = in_state(ids, State.CLAIMED).filter(owner=worker.pk)
            kept = dict(mine.values_list("pk", "fence"))
            group = [step for step in group if kept.get(step.pk) == step.fence + 1]
        for step in group:
            step.fence += 1
        ours.extend(group)
    taken = {step.pk for step in ours}
    return [step for step in steps if step.pk in taken]  # in the order in which they were chosen
