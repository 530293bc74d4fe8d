"""Steps into bulk jobs: as a claim, the intent and the money are written before any byte leaves.

Each step becomes CLAIMED, with an attempt that is a line of the job, reserved at the bulk price. It has no owner and
no lease: its answer comes within a day, whoever lives then. A job holds lines of one batch, lane and offer, so that
pausing and cancelling a batch touches no other; batches are filled by priority, then by age. No quota holds lines up:
the job is one request, and counted when it is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from jobs.models import Attempt, Batch, BulkJob, Step, Video
from jobs.pipeline import sha256
from jobs.states import State
from jobs.tags import new_tag
from jobs.transactions import atomically
from providers import registry
from providers.base import Adapter
from providers.models import Lane, Price, Provider, price_for
from providers.types import Request

from . import books
from .claim import STEP_FIELDS
from .desk import NOTHING_YET, is_counted
from .failpoints import failpoint
from .requests import as_sent, request_of
from .rows import JsonText, in_state, insert_rows, light, offers, still_ours

log = logging.getLogger(__name__)
AT_ONCE = 500  # lines in one transaction
MOST_LINES = 1000  # in a job: few enough to be read again from the start after a crash
FILL_S = 60.0  # from its first line until a job is sent that did not get full
JobState = BulkJob.State


class _Line(NamedTuple):
    step: Step
    request: Request
    units: dict[str, int]
    price: Price
    micro: int


def fill(slug: str, clock: Callable[[], datetime]) -> int:
    """How many steps found a place in a job, or in another lane; at most `AT_ONCE`. A transaction for each batch."""
    count = 0
    for batch_id in _batches_waiting(slug):
        if count < AT_ONCE:
            count += _fill(slug, batch_id, AT_ONCE - count, clock)
    return count


def _batches_waiting(slug: str) -> list[int]:
    waiting = Step.objects.filter(batch=OuterRef("pk"), provider__slug=slug, lane__bulk=True, state=State.READY)
    return list(_open_batches().filter(Exists(waiting)).values_list("pk", flat=True))


@atomically
def _fill(slug: str, batch_id: int, most: int, clock: Callable[[], datetime]) -> int:
    provider = Provider.objects.select_for_update(no_key=True).get(slug=slug)
    now = clock()
    batch = _open_batches().filter(pk=batch_id).first()
    lanes = [lane for lane in Lane.objects.filter(provider=provider, bulk=True) if is_open(lane, now)]
    if batch is None or not lanes or not provider.is_open(now):
        return 0
    count = _Filling(provider, now).of(batch, lanes, most)
    failpoint("mid_fill")
    return count


def _open_batches() -> QuerySet[Batch]:
    """By priority, then by age."""
    open_ones = Batch.objects.filter(in_bulk=True, paused_at=None, cancelled_at=None, finished_at=None)
    return open_ones.order_by("-priority", "pk")


def is_open(lane: Lane, now: datetime) -> bool:
    until = max((at for at in (lane.paused_until, lane.broken_until) if at), default=now)
    return not lane.paused and lane.max_in_flight != 0 and until <= now


class _Filling:
    def __init__(self, provider: Provider, now: datetime) -> None:
        self.provider, self.now = provider, now
        self.adapter: type[Adapter] = registry.get(provider.slug)
        self.prices = books.valid_prices(provider.pk, now)

    def of(self, batch: Batch, lanes: Sequence[Lane], most: int) -> int:
        opens_later = batch.gate_opens_at is not None and batch.gate_opens_at > self.now
        gate = Q(gate__lt=batch.open_gate) if opens_later else Q(gate__lte=batch.open_gate)
        ready = Step.objects.filter(
            gate,
            provider=self.provider,
            batch=batch,
            lane__in=lanes,
            state=State.READY,
            not_before__lte=self.now,
            video__cancelled_at=None,
        )
        rows = ready.order_by("rank", "pk").values_list(*STEP_FIELDS)[:most]
        found = light(Step, STEP_FIELDS, rows, {"offer": offers})
        ours = still_ours({step.pk: step.fence for step in found}, State.READY) if found else {}
        by_kind: dict[tuple[int, int], list[Step]] = {}
        for step in found:
            if step.pk in ours and step.offer_id is not None:
                step.batch = batch
                by_kind.setdefault((step.lane_id, step.offer_id), []).append(step)
        return sum(self._of_kind(batch, lane, offer, steps) for (lane, offer), steps in by_kind.items())

    def _of_kind(self, batch: Batch, lane_id: int, offer_id: int, steps: list[Step]) -> int:
        """Those that fit into the job that is open for them; the others find the next one open."""
        job = self._open_job(batch, lane_id, offer_id)
        most = self._most_lines(lane_id)
        budgets = books.lock_budgets(self.now)
        lines: list[_Line] = []
        elsewhere: list[Step] = []
        if self._is_due_sooner(batch):
            elsewhere, steps = steps, []
        for step in steps[: max(0, most - (job.lines if job else 0))]:
            try:
                request = request_of(step, tag=new_tag())
                units = self.adapter.most_units(request)
            except Exception:  # of one offer or step: the others go on
                log.exception("step %s: no request can be made of it", step.pk)
                continue
            if not self.adapter.bulk_takes(request):
                elsewhere.append(step)
                continue
            price = price_for(self.prices, request.capability, offer_id, bulk=True)
            if price is None or not is_counted(price, units):  # no price, no call
                continue
            micro = books.cost(price, units)
            place = {"project_id": batch.project_id, "batch_id": batch.pk, "provider_id": self.provider.pk}
            if books.admit(budgets, micro=micro, **place) is None:
                lines.append(_Line(step, request, units, price, micro))
        if lines:
            job = job or self._new_job(batch, lane_id, offer_id, lines[0].request.capability)
            self._write(job, lines)
            BulkJob.objects.filter(pk=job.pk).update(lines=F("lines") + len(lines))
            job.lines += len(lines)
        if job and job.lines >= most:
            BulkJob.objects.filter(pk=job.pk, state=JobState.OPEN).update(state=JobState.CLOSED, next_at=self.now)
        return len(lines) + (self._at_once(elsewhere) if elsewhere else 0)

    def _is_due_sooner(self, batch: Batch) -> bool:
        """Before the vendor has to be done with a bulk job."""
        until = self.now + timedelta(seconds=self.adapter.bulk_window_s)
        return batch.finish_by is not None and self.now < batch.finish_by < until

    def _open_job(self, batch: Batch, lane_id: int, offer_id: int) -> BulkJob | None:
        jobs = BulkJob.objects.select_for_update().filter(batch=batch, lane=lane_id, offer=offer_id)
        return jobs.filter(state=JobState.OPEN, owner=None).first()

    def _new_job(self, batch: Batch, lane_id: int, offer_id: int, capability: str) -> BulkJob:
        return BulkJob.objects.create(
            batch=batch,
            provider=self.provider,
            lane_id=lane_id,
            offer_id=offer_id,
            capability=capability,
            tag=new_tag(),
            created_at=self.now,
            next_at=self.now + timedelta(seconds=FILL_S),
        )

    def _most_lines(self, lane_id: int) -> int:
        """Half of the last one, where that was more than the vendor lets wait."""
        last = BulkJob.objects.filter(lane=lane_id, state=JobState.OVER).order_by("-ended_at", "-pk").first()
        most = min(self.adapter.bulk_lines, MOST_LINES)
        return max(1, min(most, last.lines // 2)) if last and last.too_much else most

    def _write(self, job: BulkJob, lines: Sequence[_Line]) -> None:
        by_fence: dict[int, list[int]] = {}
        for line in lines:
            by_fence.setdefault(line.step.fence, []).append(line.step.pk)
        for fence, ids in by_fence.items():  # they are locked: nobody else moves them
            in_state(ids, State.READY).filter(fence=fence).update(
                state=State.CLAIMED, fence=F("fence") + 1, crash_count=F("crash_count") + 1, message=""
            )
        rows = [self._attempt(job, line) for line in lines]
        insert_rows(Attempt, tuple(rows[0]), [tuple(row.values()) for row in rows])
        keys = dict(Attempt.objects.filter(tag__in=[row["tag"] for row in rows]).values_list("tag", "pk"))
        charges = [(books.Charge(keys[x.request.tag], self.provider.pk, x.micro), x.step.batch) for x in lines]
        books.write([books.reserved(charge, batch, "in bulk") for charge, batch in charges], self.now)
        Video.objects.filter(pk__in={line.step.video_id for line in lines}, started_at=None).update(
            started_at=self.now, state=Video.State.RUNNING
        )

    def _attempt(self, job: BulkJob, line: _Line) -> dict[str, Any]:
        sent = as_sent(line.request)
        return {
            "step_id": line.step.pk,
            "no": line.step.fence + 1,
            "lane_id": job.lane_id,
            "offer_id": job.offer_id,
            "capability": line.request.capability.value,
            "tag": line.request.tag,
            "request": JsonText(sent),
            "request_hash": sha256(sent),
            "images": 0,  # it counts against no window
            "tokens": 0,
            "characters": 0,
            "price_id": line.price.pk,
            "reserved_micro": line.micro,
            "provider_id": self.provider.pk,
            "sent_at": self.now,  # for the time being
            "send_deadline": self.now + timedelta(seconds=self.adapter.bulk_window_s),
            "bulk_id": job.pk,
            "counts": False,
            **NOTHING_YET,
        }

    def _at_once(self, steps: Sequence[Step]) -> int:
        """What the vendor does not take in bulk, or would bring too late, is an ordinary call, at the full price."""
        lane = plain_lane(self.provider.pk, steps[0])
        if lane is None:
            return 0
        return in_state([step.pk for step in steps], State.READY).update(lane=lane)


def plain_lane(provider_id: int, step: Step) -> Lane | None:
    assert step.offer is not None
    lanes = Lane.objects.filter(provider=provider_id, bulk=False)
    fitting = [lane for lane in lanes if lane.matches(step.offer.capability, step.offer_id)]
    return max(fitting, key=lambda lane: (lane.offer_id is not None, bool(lane.capability)), default=None)
