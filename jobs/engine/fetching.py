"""Books what came back from downloads: files that are stored, links that are tried again or lead nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import F

from jobs.models import Step
from jobs.states import Reason, State
from jobs.transactions import atomically
from providers.downloads import DiskFull

from . import oddities
from .calls import Answer
from .failures import MOST_FAILURES, count_failure
from .housekeeping import tell_of_full_disk
from .rows import still_ours
from .settlement import Settlement

ROOM_AGAIN = timedelta(seconds=10)


@atomically
def settle_fetches(answers: Sequence[Answer], now: datetime) -> None:
    """Downloads: the files are stored, or the links are tried again, or a person is told."""
    ours = still_ours({a.ticket.step_id: a.ticket.fence for a in answers}, State.FETCHING)
    batch = Settlement(now)
    for answer in answers:
        step = ours.get(answer.ticket.step_id)
        if step is None:
            continue
        error = answer.error
        oddities.late_failures([answer], now)
        if error is None and not any(not file.role for file in answer.files):
            count_failure(batch, step, "The provider says that it is finished, but gave no file.")
            batch.each.append(([], "", step.pk))
        elif error is None:
            batch.files.append((step, answer.files))
            batch.go(step, State.CHECKING, not_before=now)
        elif isinstance(error, DiskFull):  # nobody's failure, however long it lasts
            _wait_for_room(step, error, now)
        elif getattr(error, "retry", True) and step.failures < 5 * MOST_FAILURES:
            wait = timedelta(seconds=min(60.0, 2.0 ** min(step.failures, 6)))
            Step.objects.filter(pk=step.pk, fence=step.fence).update(
                owner=None,
                lease_until=None,
                not_before=now + wait,
                failures=F("failures") + 1,
                crash_count=F("crash_count") - 1,
                message=getattr(error, "message", "")[:500],
            )
        else:
            message = getattr(error, "message", "The result could not be fetched.")[:500]
            batch.go(step, State.ATTENTION, reason=Reason.FAILED, message=message)
            if not getattr(error, "retry", True):  # there is nothing to fetch: trying again makes it anew
                batch.each.append(([], message, step.pk))
    batch.write()


def _wait_for_room(step: Step, error: DiskFull, now: datetime) -> None:
    """A large file may find no room where the drive, which knows no sizes, still sees enough."""
    Step.objects.filter(pk=step.pk, fence=step.fence).update(
        owner=None,
        lease_until=None,
        not_before=now + ROOM_AGAIN,
        crash_count=F("crash_count") - 1,
        message=error.message[:500],
    )
    tell_of_full_disk(error.message, now)
