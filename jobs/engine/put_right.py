"""What was written by a clock that was ahead would wait for as long as that: it is pulled back.

Once all of it; then, for a minute again and again, what is never meant to wait for so long: somebody else may still be
writing by what he read before. Drives that begin meanwhile do so, too.

A clock that goes back may also be one that was right and is wrong now. Then a step that is looked at too early does no
harm, but a job would look older than it is, and be ended for that, and a lease that holds would look overdue: when
something was sent, and until when it is held, is pulled back only where the clock is known to have been as far ahead.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import F, Min, Q, QuerySet

from jobs.models import Attempt, Batch, BulkJob, Chore, ClockJump, Step, Worker
from jobs.models.work import CLOCK_SKEW
from jobs.states import OPEN
from jobs.transactions import atomically
from providers.models import Lane, Provider

AGAIN_FOR = timedelta(seconds=60)  # longer than anybody waits for the database between a look at the clock and a commit
AGAIN_EVERY_S = 2.0
LARGE_S = 300.0  # after smaller ones nothing waits for long, and no listing is looked through too late
KEPT = timedelta(days=1)
SAME_S = 10.0  # jumps that differ by less are the same one, there and back
LONGEST_LEASE = timedelta(hours=2)  # and more: what ends later was written by a clock that was wrong


class PuttingRight:
    """Of one drive. `tick` is of the clock that only goes forward."""

    def __init__(self) -> None:
        self._back, self._next_at, self._until = timedelta(), 0.0, float("-inf")

    def begin(self, now: datetime, tick: float) -> None:
        """What others have seen lately."""
        lately = ClockJump.objects.filter(at__gt=now - AGAIN_FOR, at__lte=now + CLOCK_SKEW)
        self._go_on(-(lately.aggregate(least=Min("by_s"))["least"] or 0.0), tick, next_at=tick)

    def came_back(self, now: datetime, tick: float, back_s: float) -> None:
        keep(now, -back_s)
        pull_back(now, timedelta(seconds=back_s))
        self._go_on(back_s, tick, next_at=tick + AGAIN_EVERY_S)

    def _go_on(self, back_s: float, tick: float, *, next_at: float) -> None:
        if back_s >= LARGE_S:
            self._back, self._next_at = timedelta(seconds=back_s), next_at
            self._until = tick + AGAIN_FOR.total_seconds()

    def again(self, now: datetime, tick: float) -> None:
        if self._next_at <= tick < self._until:
            self._next_at = tick + AGAIN_EVERY_S
            late = now + self._back - AGAIN_FOR
            for moments in _unmeant(late):
                _pull(moments, self._back)
            _pull_dates(late, self._back, now)


def keep(now: datetime, by_s: float) -> None:
    """For those who begin soon after, and for whoever looks for what was sent meanwhile."""
    ClockJump.objects.create(at=now, by_s=by_s)


def latest(now: datetime, within: timedelta) -> datetime | None:
    """When the clock jumped last, by what it says now."""
    lately = ClockJump.objects.filter(at__gt=now - within, at__lte=now + CLOCK_SKEW)
    return lately.order_by("at").values_list("at", flat=True).last()


def off_by(now: datetime) -> timedelta:
    """By how much moments of the last day may be wrong, in either direction."""
    return timedelta(seconds=max(map(abs, _large(now)), default=0.0))


def _large(now: datetime) -> list[float]:
    """Each as often as it was seen, in their order."""
    known = ClockJump.objects.filter(Q(by_s__gte=LARGE_S) | Q(by_s__lte=-LARGE_S), at__gt=now - KEPT)
    return list(known.order_by("pk").values_list("by_s", flat=True))


def was_ahead_by_s(now: datetime) -> float:
    """The most that it is known to have been: jumps forward, but for those that undid one back before them."""
    known, most = _large(now), 0.0
    for number, by_s in enumerate(known):
        if by_s > most and not any(before < 0 and abs(before + by_s) < SAME_S for before in known[:number]):
            most = by_s
    return most


def forget_old(now: datetime) -> None:
    ClockJump.objects.filter(at__lt=now - KEPT).delete()


class _Moments(NamedTuple):
    rows: QuerySet[Any]
    name: str
    beyond: datetime  # what lies further ahead is wrong


def pull_back(now: datetime, by: timedelta) -> None:
    """Moments more than half the jump ahead were written by the clock that was wrong.

    One that was meant comes too early by this: a vendor is asked, or tried, in vain, by each drive once at most.
    """
    late = now + by / 2
    meant = (
        _Moments(Batch.objects.all(), "gate_opens_at", late),
        _Moments(Lane.objects.all(), "paused_until", late),
        _Moments(Lane.objects.all(), "broken_until", late),
        _Moments(Provider.objects.all(), "paused_until", late),
        _Moments(Worker.objects.all(), "seen_at", late),
    )
    for moments in (*_unmeant(late), *meant):
        _pull(moments, by)
    _pull_dates(late, by, now)


def _unmeant(late: datetime) -> tuple[_Moments, ...]:
    """Nothing of this is ever meant to wait for long."""
    return (
        _Moments(Step.objects.filter(state__in=OPEN), "not_before", late),
        _Moments(BulkJob.objects.all(), "next_at", late),
        _Moments(Chore.objects.all(), "done_at", late),
    )


def _pull_dates(late: datetime, by: timedelta, now: datetime) -> None:
    """Leases are longer than anything else here."""
    ahead_s = was_ahead_by_s(now)
    if not ahead_s or ahead_s < by.total_seconds() - SAME_S:
        return
    impossible = max(late, now + LONGEST_LEASE)
    for moments in (
        _Moments(Step.objects.filter(state__in=OPEN), "lease_until", impossible),
        _Moments(BulkJob.objects.all(), "lease_until", impossible),
        _Moments(BulkJob.objects.exclude(state=BulkJob.State.OVER), "created_at", late),
        _Moments(BulkJob.objects.exclude(state=BulkJob.State.OVER), "sent_at", late),
        _Moments(Attempt.objects.filter(ended_at=None), "on_wire_at", late),  # what is out becomes too old in time
    ):
        _pull(moments, by)


@atomically
def _pull(moments: _Moments, by: timedelta) -> None:
    rows = moments.rows.filter(**{f"{moments.name}__gt": moments.beyond})
    rows.update(**{moments.name: F(moments.name) - by})
