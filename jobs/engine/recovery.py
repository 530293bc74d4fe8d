"""What dead processes left behind, taken up at once where lock files prove that they are gone.

Of a process here that lives nothing is taken, whatever the clock on the wall says: it books what it holds, or its
cluster ends it. Of one elsewhere (or one that should have been ended long ago) nothing is known but its lease. Its
fetches and checks, and what costs nothing, are done again when that is over. What it may yet send is concluded only
after a quiet period: by then it has sent or will not, its vendor's listing shows it, and no two clocks differ by more.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from jobs.advance import advance
from jobs.models import Attempt, Step, Worker
from jobs.routing import CAPABILITY_OF
from jobs.states import MOST_CRASHES, OWNED, POISON_SAYS, Reason, State
from jobs.transactions import atomically
from providers import registry
from providers.exceptions import Unknown
from providers.types import Recovery

from . import books, late, worker
from .failpoints import failpoint
from .failures import LIST_LAG_S, lose_answer, recovery_of
from .requests import CLOCK_SKEW
from .rows import move
from .settlement import Settlement

log = logging.getLogger(__name__)
LEASE_GRACE = timedelta(seconds=10)
AT_ONCE = 200


def recover(me: Worker, now: datetime) -> int:
    """Frees the steps of dead owners on this host, and of any owner whose lease is long over. Returns how many.

    First of all, what the dead wrote down themselves is booked.
    """
    late.book_spilled(now)
    owners = set(Step.objects.filter(state__in=OWNED).exclude(owner=None).values_list("owner", flat=True).distinct())
    dead = {owner for owner in owners if owner and owner != me.pk and is_dead(owner)}
    at_work = {owner for owner in owners - dead if owner and is_at_work(owner)}
    freed = 0
    while True:
        count = _free(dead, at_work, now)
        freed += count
        if count:
            failpoint("after_recovery")
        if count < AT_ONCE:
            break
    if dead:
        Worker.objects.filter(pk__in=dead, ended_at=None).update(ended_at=now)
    return freed


def is_dead(owner: uuid.UUID) -> bool:
    """Provably gone: it was here, and its lock is free, or this machine was started anew since."""
    row = Worker.objects.filter(pk=owner).first()
    if row is None:  # it may have been anywhere; only a lock file of its own says that it was here
        return worker.lock_path(str(owner)).exists() and worker.is_dead(str(owner))
    if row.host != worker.here():
        return False
    return row.boot_id != worker.boot_id() or worker.is_dead(str(owner))


def is_at_work(owner: uuid.UUID) -> bool:
    """It lives here, and is no older than a drive may become: then its cluster ends it, or it is stuck for good."""
    return not worker.is_dead(str(owner)) and worker.age_s(str(owner)) < settings.DRIVE_TIMEOUT_S


@atomically
def _free(dead: Iterable[uuid.UUID], at_work: Iterable[uuid.UUID], now: datetime) -> int:
    gone = Q(owner__in=list(dead)) | (_overdue(now) & ~Q(owner__in=list(at_work)))
    steps = list(
        Step.objects.select_for_update(of=("self",))
        .select_related("batch")
        .filter(gone, state__in=OWNED)
        .order_by("pk")[:AT_ONCE]
    )
    blameless = _blameless({step.owner for step in steps if step.owner})
    for step in steps:
        if step.owner in blameless:
            step.crash_count = max(0, step.crash_count - 1)
    poisoned = [step for step in steps if step.crash_count >= MOST_CRASHES]
    claimed = [step for step in steps if step.state == State.CLAIMED]
    _free_claimed(claimed, poisoned, now)
    if steps:
        failpoint("mid_recovery")
    for step in steps:
        if step.state in (State.FETCHING, State.CHECKING):
            if step in poisoned:
                _set_aside(step, State(step.state), now)
            else:
                Step.objects.filter(pk=step.pk, fence=step.fence, state=step.state).update(
                    owner=None, lease_until=None, not_before=now, crash_count=step.crash_count
                )
    if steps:
        log.warning("%s steps of dead processes are taken up again", len(steps))
        advance({step.video_id for step in poisoned}, now)
    return len(steps)


def _overdue(now: datetime) -> Q:
    """Past the lease, and for a paid call past the quiet period of its provider after that."""
    over = Q(lease_until__lt=now - LEASE_GRACE) & ~Q(state=State.CLAIMED)
    late_ones = Step.objects.filter(state=State.CLAIMED, lease_until__lt=now - LEASE_GRACE)
    for slug, stage in late_ones.values_list("provider__slug", "stage").distinct().order_by():
        quiet = quiet_period(slug, stage)
        over |= Q(state=State.CLAIMED, provider__slug=slug, stage=stage, lease_until__lt=now - max(LEASE_GRACE, quiet))
    return over


def quiet_period(slug: str, stage: str) -> timedelta:
    """How long after its lease a call may still show up. None where sending it again, or the same key, does no harm."""
    adapter, capability = registry.all_adapters().get(slug), CAPABILITY_OF.get(stage)
    if adapter is None or capability is None:
        return timedelta(seconds=settings.LONGEST_CALL_S) + CLOCK_SKEW
    if adapter.recovery_of(capability) in (Recovery.FREE, Recovery.KEYED):
        return timedelta(0)
    return timedelta(seconds=adapter.deadline_of(capability) + max(LIST_LAG_S, adapter.list_lag_s)) + CLOCK_SKEW


def _free_claimed(steps: list[Step], poisoned: list[Step], now: datetime) -> None:
    """What was being sent: done again where that costs nothing, else its answer counts as lost."""
    under_way = {
        attempt.step_id: attempt
        for attempt in Attempt.objects.select_related("provider", "lane").filter(
            step__in=steps, outcome=Attempt.Outcome.NONE
        )
    }
    batch = Settlement(now)
    for step in steps:
        attempt = under_way[step.pk]
        if recovery_of(attempt) is not Recovery.FREE:
            error = Unknown("The process that sent it ended before the answer came.")
            lose_answer(batch, step, attempt, error, crash_count=step.crash_count)
            continue
        batch.attempt(
            attempt,
            outcome=Attempt.Outcome.NOT_SENT,
            message="The process that worked on it ended.",
            ended_at=now,
        )
        batch.moves.append(books.released(attempt, step.batch))
        if step in poisoned:
            _set_aside(step, State.CLAIMED, now)
        else:
            move(
                [step],
                frm=State.CLAIMED,
                to=State.READY,
                owner=None,
                lease_until=None,
                not_before=now,
                crash_count=step.crash_count,
            )
            batch.touched.add(step.video_id)
    batch.write()


def _set_aside(step: Step, frm: State, now: datetime) -> None:
    move(
        [step],
        frm=frm,
        to=State.ATTENTION,
        owner=None,
        lease_until=None,
        reason=Reason.POISON,
        message=POISON_SAYS,
    )


def _blameless(owners: set[uuid.UUID]) -> set[uuid.UUID]:
    """Workers whose whole cluster died, and those that ended by an error of their own: no step is to blame for that."""
    rows = Worker.objects.filter(pk__in=owners)
    return {row.pk for row in rows if row.erred or _died_with_supervisor(row)}


def _died_with_supervisor(row: Worker) -> bool:
    if row.supervisor is None or row.host != worker.here():
        return False
    return worker.is_dead(worker.cluster_lock(str(row.supervisor)))


def free_own(me: Worker, now: datetime) -> None:
    """At the end of a drive: what it took and did not finish is free at once, and no crash is counted."""
    for step in Step.objects.filter(owner=me.pk, state__in=(State.FETCHING, State.CHECKING)):
        Step.objects.filter(pk=step.pk, fence=step.fence, state=step.state).update(
            owner=None, lease_until=None, not_before=now, crash_count=max(0, step.crash_count - 1)
        )
