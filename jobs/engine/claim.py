"""The only way paid work starts: one short transaction that writes the intent before any byte leaves.

Under the provider's lock: what is the room of every quota and cap, which steps are next, write their attempts,
reserve their money. Claiming is intending to send: no more is claimed than there are idle threads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from jobs.models import Attempt, Batch, Step, Worker
from jobs.prepared import any_of, question
from jobs.shares import MEMORY, Candidate, Shares
from jobs.states import IN_FLIGHT, State
from jobs.transactions import atomically
from providers.models import Provider

from .desk import Claim, Desk
from .failpoints import failpoint
from .rows import light, offers

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
    "instead_of_id",
    "gave_way",
    "rank",
    "fence",
)
BATCH_FIELDS = ("id", "project_id", "priority", "weight", "width", "open_gate", "gate_opens_at")


@question
def _locked(slug: Any) -> Any:
    return Provider.objects.select_for_update(no_key=True).filter(slug=slug)


@atomically
def claim(
    slug: str,
    worker: Worker,
    places: int,
    clock: Callable[[], datetime],
    *,
    alone_only: bool = False,
    ahead_s: float = 0.0,
) -> Claim:
    """Claims at most `places` steps of a provider, and says when the next place comes free.

    `ahead_s`: also such whose moment is up to so far ahead; their tickets say when they may leave. `alone_only`: just
    steps that once ended a process, one of them.
    """
    (provider,) = _locked(slug)
    now = clock()  # read once, after the lock is held
    result = Claim()
    if not provider.is_open(now):
        if provider.paused_until:
            result.wait_until(provider.paused_until)
        return result
    desk = Desk(provider, now, result, ahead_s)
    queue = _Queue(provider, list(desk.open_lanes), now, alone_only=alone_only)
    steps: list[Step] = []
    most, at_once = 1 if alone_only else places, desk.likely()
    while len(steps) < most and not desk.is_full() and not desk.is_over():
        wanted = min(most - len(steps), at_once)
        found = queue.next(wanted)
        admitted = desk.admit(found)
        steps += admitted
        queue.passed(found, admitted)
        at_once *= 2
        if len(found) < wanted and len(admitted) == len(found):
            break  # there are no more
    if steps:
        desk.write(steps, worker)
        failpoint("mid_claim")
    result.full_lanes = desk.full_lanes()
    return result


def _power_of_two(least: int) -> int:
    """Few different limits, so few statements; what is read beyond need is little."""
    return 1 << (least - 1).bit_length()


def _ready(provider: Any, lanes: Any, now: Any, *, alone_only: bool) -> QuerySet[Step]:
    suspect = {"crash_count__gt": 0} if alone_only else {"crash_count": 0}
    # Not by the column itself: SQLite would take its index, and sort all that are ready for every claim.
    due = Step.objects.alias(due_at=Coalesce("not_before", "not_before")).filter(due_at__lte=now, **suspect)
    return due.filter(any_of("lane", lanes), provider=provider, state=State.READY)


@question
def _batches_with_work(provider: Any, lanes: Any, now: Any, *, alone_only: bool) -> Any:
    # Not Exists: PostgreSQL would make a join of it, for which it reads all steps that are ready.
    waiting = _ready(provider, lanes, now, alone_only=alone_only).filter(batch=OuterRef("pk")).order_by("rank", "pk")
    batches = Batch.objects.alias(first=Subquery(waiting.values("pk")[:1])).filter(first__isnull=False)
    return batches.filter(paused_at=None, cancelled_at=None).values_list(*BATCH_FIELDS)


@question
def _next_of(
    provider: Any,
    lanes: Any,
    now: Any,
    batch: Any,
    gate: Any,
    seen: Any,
    full: Any,
    *full_with: Any,
    alone_only: bool,
    most: int,
) -> Any:
    """Of a batch, but for those seen, those without an offer in lanes that are full, and those of (lane, offer, …)."""
    ready = _ready(provider, lanes, now, alone_only=alone_only)
    steps = ready.filter(gate__lte=gate, batch=batch, video__cancelled_at=None).exclude(pk__in=seen)
    steps = steps.exclude(any_of("lane", full), offer=None)
    for lane, offer in zip(full_with[::2], full_with[1::2], strict=True):
        steps = steps.exclude(lane=lane, offer=offer)
    return steps.order_by("rank", "pk").values_list(*STEP_FIELDS)[:most]


class _Queue:
    """The next steps of every open batch: whose turn it is (jobs/shares.py), then rank.

    What one lane or one cap has no room for must not keep others waiting: it is passed over from then on.
    """

    def __init__(self, provider: Provider, lanes: list[int], now: datetime, *, alone_only: bool) -> None:
        self.provider, self.lanes, self.now, self.alone_only = provider, lanes, now, alone_only
        self.batches = {batch.pk: batch for batch in self._open_batches()}
        self.in_flight = self._in_flight()
        self.shares = self._shares()
        self.seen: list[int] = []
        self.full: dict[int, set[tuple[int, int | None]]] = {}  # batch -> (lane, offer) without room

    def _open_batches(self) -> Iterable[Batch]:
        rows = _batches_with_work(self.provider.pk, self.lanes, self.now, alone_only=self.alone_only)
        batches = light(Batch, BATCH_FIELDS, rows)
        narrow = [batch.pk for batch in batches if batch.width is not None]
        if narrow:  # claims of other providers count against the same width
            list(Batch.objects.select_for_update(no_key=True).filter(pk__in=narrow).order_by("pk").values_list("pk"))
        return batches

    def _in_flight(self) -> Counter[int]:
        """Of narrow batches only; nobody asks for it of others."""
        narrow = [batch.pk for batch in self.batches.values() if batch.width is not None]
        if not narrow:
            return Counter()
        out = Step.objects.filter(batch__in=narrow, state__in=(*IN_FLIGHT, State.UNKNOWN))
        return Counter(dict(out.values_list("batch").annotate(n=Count("pk")).order_by()))

    def _shares(self) -> Shares:
        if len(self.batches) < 2:
            return Shares()
        latest = Attempt.objects.filter(provider=self.provider).order_by("-sent_at", "-pk")[:MEMORY]
        return Shares.of(reversed(latest.values_list("lane", "step__batch")))

    def next(self, most: int) -> list[Step]:
        queues = {batch_id: self._of(batch, most) for batch_id, batch in self.batches.items()}
        heads = {batch_id: self._candidate(queue[0]) for batch_id, queue in queues.items() if queue}
        shares = self.shares.copy()
        chosen: list[Step] = []
        while len(chosen) < most and heads:
            batch_id = shares.next(heads)
            step = queues[batch_id].pop(0)
            step.batch = self.batches[batch_id]
            shares.took(step.lane_id, batch_id)
            chosen.append(step)
            if queues[batch_id]:
                heads[batch_id] = self._candidate(queues[batch_id][0])
            else:
                del heads[batch_id]
        return chosen

    def _candidate(self, step: Step) -> Candidate:
        batch = self.batches[step.batch_id]
        return Candidate(batch=batch.pk, lane=step.lane_id, priority=batch.priority, weight=batch.weight)

    def _of(self, batch: Batch, most: int) -> list[Step]:
        if batch.width is not None:
            most = min(most, batch.width - self.in_flight[batch.pk])
            if most <= 0 or not self._is_its_turn(batch):
                return []
        full = self.full.get(batch.pk, ())
        opens_later = batch.gate_opens_at is not None and batch.gate_opens_at > self.now
        rows = _next_of(
            self.provider.pk,
            self.lanes,
            self.now,
            batch.pk,
            batch.open_gate - opens_later,
            self.seen,
            [lane for lane, offer in full if offer is None],
            *[one for pair in full if pair[1] is not None for one in pair],
            alone_only=self.alone_only,
            most=_power_of_two(most),
        )
        return light(Step, STEP_FIELDS, rows[:most], {"offer": offers})

    def _is_its_turn(self, batch: Batch) -> bool:
        """In a narrow batch nothing overtakes what stands before it at another provider."""
        ready = Step.objects.filter(batch=batch, state=State.READY, video__cancelled_at=None)
        first = ready.order_by("rank", "pk").values_list("provider", flat=True).first()
        return first == self.provider.pk

    def passed(self, found: list[Step], admitted: list[Step]) -> None:
        self.seen += [step.pk for step in admitted]
        for step in admitted:
            self.in_flight[step.batch_id] += 1
            self.shares.took(step.lane_id, step.batch_id)
        for step in found:
            if step.pk not in self.seen:
                self.full.setdefault(step.batch_id, set()).add((step.lane_id, step.offer_id))
