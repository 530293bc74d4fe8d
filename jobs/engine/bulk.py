"""Bulk jobs in a drive: many steps of one batch in one file, for less, within a day (docs/decisions/0008).

    bulk_claim.py    steps into the job that is open for them: reserved and written down like any call
    bulk_take.py     what is to be done next about a job, and who does it; the intent before the send
    bulk_calls.py    threads: write, upload, create, find, poll, read
    bulk_settle.py   what came back; lines are booked by settle.py, as the answers to calls that they are

A drive looks now and then, by one question; there is no other while no batch wants anything in bulk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic

from django.db.models import Exists, OuterRef, Q

from jobs.models import Batch, BulkJob, Step, Worker
from jobs.states import State
from providers.models import Provider

from . import bulk_calls, bulk_claim, bulk_take
from .bulk_take import Act
from .calls import Answer
from .failpoints import failpoint
from .pool import Pool
from .steady import Steady

LOOK_EVERY_S = 1.0
NO_ROOM_S = 5.0  # until steps are tried again for which no cap had room


class Bulk:
    def __init__(
        self, worker: Worker, clock: Callable[[], datetime], pool: Pool, stopping: threading.Event, steady: Steady
    ) -> None:
        self.worker, self.clock, self.pool, self.stopping, self.steady = worker, clock, pool, stopping, steady
        self._look_at = float("-inf")
        self._fill_at: dict[str, float] = {}  # provider -> not before

    def begin(self, slugs: Callable[[], Sequence[str]]) -> int:
        """Fills jobs, and starts what is due of them; how much was begun."""
        if monotonic() < self._look_at:
            return 0
        self._look_at = monotonic() + LOOK_EVERY_S
        if not some_work():
            return 0
        mine = slugs()
        bulk_take.free_dead(self.worker, self.clock())
        begun = sum(self._fill(slug) for slug in with_ready_steps(mine, self.clock()))
        for job_id in bulk_take.due(mine, self.pool.idle, self.clock()):
            now = self.clock()
            if order := bulk_take.take(job_id, self.worker, now, ages=self.steady.tells_ages(now, monotonic())):
                self._start(order)
                begun += 1
        if begun:
            self._look_at = float("-inf")  # what is uploaded is ordered at once
        return begun

    def _fill(self, slug: str) -> int:
        if monotonic() < self._fill_at.get(slug, 0.0):
            return 0
        count = bulk_claim.fill(slug, self.clock)
        failpoint("after_fill")
        if not count:
            self._fill_at[slug] = monotonic() + NO_ROOM_S
        return count

    def _start(self, order: bulk_take.Order) -> None:
        def report(answers: list[Answer]) -> None:
            self.pool.results.put(("lines", answers))

        work = bulk_calls.work_of(order, report, self.stopping)
        self.pool.start("bulk", work, paid=order.act is Act.CREATE)


def some_work() -> bool:
    """A batch wants something in bulk, or a job is under way."""
    batches = Batch.objects.filter(in_bulk=True, paused_at=None, cancelled_at=None, finished_at=None)
    return BulkJob.objects.filter(next_at__isnull=False).exists() or batches.exists()


def with_ready_steps(slugs: Sequence[str], now: datetime) -> list[str]:
    waiting = Step.objects.filter(state=State.READY, provider=OuterRef("pk"), lane__bulk=True, not_before__lte=now)
    open_ones = waiting.filter(batch__in_bulk=True, batch__paused_at=None, batch__cancelled_at=None)
    found = Provider.objects.filter(Q(slug__in=slugs), Exists(open_ones))
    return list(found.order_by("slug").values_list("slug", flat=True))
