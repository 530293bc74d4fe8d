"""What was written by a clock that was ahead would wait for as long as that: it is pulled back.

For a minute again and again, as somebody else may still be writing by what he read before; and by those, too, who began
after the clock was put right.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Max, QuerySet

from jobs.models import Batch, BulkJob, Chore, ClockCorrection, Step, Worker
from jobs.models.work import CLOCK_SKEW
from jobs.states import OPEN
from jobs.transactions import atomically
from providers.models import Lane, Provider

AGAIN_FOR = timedelta(seconds=60)  # longer than anybody waits for the database between a look at the clock and a commit
AGAIN_EVERY_S = 2.0
KEPT = timedelta(days=7)
LARGE_S = 300.0  # after smaller ones nothing waits for long
LONGEST_LEASE = timedelta(hours=1)  # and more: what ends later was written by a clock that was wrong


class PuttingRight:
    """Of one drive. `tick` is of the clock that only goes forward."""

    def __init__(self) -> None:
        self._back_s, self._next_at, self._until = 0.0, 0.0, float("-inf")

    def begin(self, now: datetime, tick: float) -> None:
        """What others have seen lately."""
        lately = ClockCorrection.objects.filter(at__gt=now - AGAIN_FOR, at__lte=now + CLOCK_SKEW)
        self._go_on(lately.aggregate(most=Max("back_s"))["most"] or 0.0, tick, next_at=tick)

    def came_back(self, now: datetime, tick: float, back_s: float) -> None:
        ClockCorrection.objects.create(at=now, back_s=back_s)
        pull_back(now, timedelta(seconds=back_s))
        self._go_on(back_s, tick, next_at=tick + AGAIN_EVERY_S)

    def _go_on(self, back_s: float, tick: float, *, next_at: float) -> None:
        if back_s >= LARGE_S:
            self._back_s, self._next_at, self._until = back_s, next_at, tick + AGAIN_FOR.total_seconds()

    def again(self, now: datetime, tick: float) -> None:
        if self._next_at <= tick < self._until:
            self._next_at = tick + AGAIN_EVERY_S
            pull_back(now, timedelta(seconds=self._back_s))


def forget_old(now: datetime) -> None:
    ClockCorrection.objects.filter(at__lt=now - KEPT).delete()


def pull_back(now: datetime, by: timedelta) -> None:
    """Moments more than half the jump ahead were written by the clock that was wrong; of leases, those that are longer
    than any.

    One that was meant comes too early by this: a vendor is asked, or tried, once in vain. Each drive may do it.
    """
    late, impossible = now + by / 2, now + max(by / 2, LONGEST_LEASE)
    moments: tuple[tuple[QuerySet[Any], str, datetime], ...] = (
        (Step.objects.filter(state__in=OPEN), "not_before", late),
        (Step.objects.filter(state__in=OPEN), "lease_until", impossible),
        (BulkJob.objects.all(), "next_at", late),
        (BulkJob.objects.all(), "lease_until", impossible),
        (Batch.objects.all(), "gate_opens_at", late),
        (Lane.objects.all(), "paused_until", late),
        (Lane.objects.all(), "broken_until", late),
        (Provider.objects.all(), "paused_until", late),
        (Worker.objects.all(), "seen_at", late),
        (Chore.objects.all(), "done_at", late),
    )
    for rows, name, beyond in moments:
        _pull(rows.filter(**{f"{name}__gt": beyond}), name, by)


@atomically
def _pull(rows: QuerySet[Any], name: str, by: timedelta) -> None:
    rows.update(**{name: F(name) - by})
