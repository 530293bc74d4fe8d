"""Books what came back about bulk jobs, each under its fence. Lines are answers to calls: `settle.py` books them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from jobs.models import Attempt, BulkJob, Notice, Step
from jobs.states import Reason, State
from jobs.transactions import atomically
from providers import registry
from providers.downloads import DiskFull
from providers.exceptions import (
    CallError,
    HeldBack,
    NotSent,
    OutOfCredit,
    RateLimited,
    Rejected,
    Unauthorised,
    Unknown,
)
from providers.models import Lane, Provider
from providers.types import Bulk, BulkState, Failed

from . import bulk_take, failures
from . import settle as settling
from .bulk_calls import Told
from .bulk_claim import plain_lane
from .bulk_take import Act, JobState, update
from .calls import Answer
from .failpoints import failpoint
from .polling import MOST_POLL_PAUSE_S
from .refusals import MOST_PAUSE_S, RATE_LIMIT_PAUSE_S

log = logging.getLogger(__name__)
AT_ONCE = 200  # lines in one transaction
LISTINGS = 2  # that must not show a job before it counts as absent
POLL_LEAST_S, POLL_MOST_S = 5.0, 300.0
POLL_SHARE = 0.02  # of its age
READ_AGAIN_S = 30.0
TOO_LATE, HOPELESS = 2.0, 10.0  # vendor's windows: what is refused then is given up, and then what cannot be had
TOO_MUCH_S = 300.0  # where more would wait there than may: until a smaller one is tried


def settle_lines(answers: Sequence[Answer], now: datetime) -> None:
    for begin in range(0, len(answers), AT_ONCE):
        settling.settle_calls(answers[begin : begin + AT_ONCE], now)


def settle(found: Sequence[Told], now: datetime) -> None:
    for told in found:
        try:
            _settle(told, now)
        except settling.AWAY:
            raise
        except Exception:  # its lease ends, and it is done again
            log.exception("bulk job %s: what came back cannot be booked", told.order.job_id)


@atomically
def _settle(told: Told, now: datetime) -> None:
    Provider.objects.select_for_update(no_key=True).get(slug=told.order.ticket.slug)  # first, as whoever takes one does
    jobs = BulkJob.objects.select_for_update(of=("self",)).select_related("provider", "lane", "offer", "batch")
    job = jobs.get(pk=told.order.job_id)
    if job.fence != told.order.fence:
        if told.order.act is Act.CREATE and told.bulk:
            _came_late(job, told.bulk, now)
        return
    match told.order.act:
        case Act.UPLOAD:
            _uploaded(job, told, now)
        case Act.CREATE:
            _created(job, told, now)
        case Act.FIND:
            _looked_for(job, told, now)
        case Act.POLL:
            _polled(job, told, now)
        case Act.READ:
            _read(job, told, now)


def _leave(job: BulkJob, next_at: datetime | None, **changes: Any) -> None:
    update(job.pk, job.fence, owner=None, lease_until=None, next_at=next_at, **changes)


def _in(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


def _pause_of(error: Any) -> float:
    return min(getattr(error, "retry_after_s", None) or RATE_LIMIT_PAUSE_S, MOST_PAUSE_S)


# -- on the way there --------------------------------------------------------------------------------------------------


def _uploaded(job: BulkJob, told: Told, now: datetime) -> None:
    if told.error is None:
        _leave(job, now, input_file=told.input_file, message="")
    elif isinstance(told.error, Rejected):
        _end(job, now, told.error.message, error=told.error)
    else:
        _pause_for(job, told.error)
        _leave(job, _in(now, _pause_of(told.error)), message=_words(told.error))


def _created(job: BulkJob, told: Told, now: datetime) -> None:
    error = told.error
    if told.bulk:
        left = min(told.on_wire_at, now) if told.on_wire_at else None
        Attempt.objects.filter(bulk=job.pk, outcome=Attempt.Outcome.NONE).update(on_wire_at=left)
        failpoint("mid_created")
        _runs(job, told.bulk, now)
    elif isinstance(error, Rejected):
        _end(job, now, error.message, error=error)
    elif isinstance(error, RateLimited | NotSent | Unauthorised | OutOfCredit):
        bulk_take.uncount(job.pk)
        _pause_for(job, error)
        pause_s = _pause_of(error) if isinstance(error, RateLimited) else failures.NOT_SENT_PAUSE_S
        if isinstance(error, RateLimited):
            Lane.objects.filter(pk=job.lane_id).update(paused_until=_in(now, pause_s), pause_reason=error.message[:300])
        _leave(job, _in(now, pause_s), state=JobState.CLOSED, message=_words(error))
    else:
        _leave(job, _in(now, _lag_s(job)), state=JobState.UNKNOWN, message=_words(error))


def _runs(job: BulkJob, bulk: Bulk, now: datetime) -> None:
    state = {"state": JobState.RUNNING, "external_id": bulk.external_id, "word": bulk.word[:50], "message": ""}
    _leave(job, _in(now, POLL_LEAST_S), **state)


def _came_late(job: BulkJob, bulk: Bulk, now: datetime) -> None:
    """From a sender that was taken for dead. While it is looked for, it is found; else somebody has to look."""
    if job.external_id == bulk.external_id:
        return
    if job.state == JobState.UNKNOWN:
        job.fence += 1
        BulkJob.objects.filter(pk=job.pk).update(fence=job.fence)
        _runs(job, bulk, now)
        return
    text = f"{job.provider} has a bulk job that was taken for not sent: {bulk.external_id}. Cancel it there."
    log.error(text)
    Notice.objects.create(at=now, text=text[:300])


def _looked_for(job: BulkJob, told: Told, now: datetime) -> None:
    if told.bulk:
        _runs(job, told.bulk, now)
    elif told.error is not None and _is_given_up(told):
        _end(job, now, "", error=Unknown("Its provider has not said whether the bulk job was taken."))
    elif told.error is not None:
        _leave(job, _in(now, 2 * _lag_s(job)))
    elif job.listings_without + 1 < LISTINGS:
        _leave(job, _in(now, _lag_s(job)), listings_without=job.listings_without + 1)
    else:  # it was not sent
        bulk_take.uncount(job.pk)
        _leave(job, now, state=JobState.CLOSED)


def _lag_s(job: BulkJob) -> float:
    adapter = registry.all_adapters().get(job.provider.slug)
    return max(failures.LIST_LAG_S, adapter.list_lag_s if adapter else 0.0)


def _pause_for(job: BulkJob, error: Any) -> None:
    if isinstance(error, Unauthorised | OutOfCredit):
        Provider.objects.filter(pk=job.provider_id).update(paused=True, pause_reason=error.message[:300])
        log.error("%s is paused: %s", job.provider, error.message)


# -- there, and back ---------------------------------------------------------------------------------------------------


def _polled(job: BulkJob, told: Told, now: datetime) -> None:
    bulk = told.bulk
    if bulk is None:
        _ask_again(job, told, now, min(_pause_of(told.error), MOST_POLL_PAUSE_S))
    elif bulk.state is BulkState.FAILED:
        _failed(job, bulk, now)
    elif bulk.state is BulkState.OVER:
        _leave(job, now, state=JobState.READING, word=bulk.word[:50], done=bulk.done, message="")
    elif told.order.age > TOO_LATE:
        _end(job, now, "", error=Unknown("Its bulk job was still running long after the vendor's own limit."))
    else:
        if bulk.unknown_status:
            log.warning("bulk job %s: %s says %r, which is new", job.pk, job.provider, bulk.unknown_status)
        age_s = (now - (job.sent_at or job.created_at)).total_seconds()
        step_s = min(max(POLL_LEAST_S, POLL_SHARE * age_s), POLL_MOST_S)
        _leave(job, _in(now, step_s), word=bulk.word[:50], done=bulk.done, message="")


def _failed(job: BulkJob, bulk: Bulk, now: datetime) -> None:
    """Not one line was worked on, or billed."""
    why = f"The bulk job failed: {bulk.problem.rstrip('.')}."
    if bulk.queue_full:
        paused = {
            "paused_until": _in(now, TOO_MUCH_S),
            "pause_reason": "More waits there in bulk than the account may.",
        }
        Lane.objects.filter(pk=job.lane_id).update(**paused)
        _end(job, now, why, error=NotSent(why), too_much=True, word=bulk.word[:50])
    else:
        _end(job, now, why, failed=Failed(reason=why), word=bulk.word[:50])


def _read(job: BulkJob, told: Told, now: datetime) -> None:
    """The lines that it brought are booked by now."""
    if told.bulk is None or bulk_take.lines_of(job):
        _ask_again(job, told, now, READ_AGAIN_S)
        return
    _end(job, now, "")


def _ask_again(job: BulkJob, told: Told, now: datetime, pause_s: float) -> None:
    """What costs nothing is asked until it is far too late; then nobody can know what was made and billed."""
    if bulk_take.age_of(job, now) <= TOO_LATE:  # later it may be this job alone that the account has no more access to
        _pause_for(job, told.error)
    if _is_given_up(told):
        _end(job, now, "", error=Unknown(f"The results of its bulk job cannot be had ({_words(told.error)})."))
    else:
        _leave(job, _in(now, pause_s), message=_words(told.error))


def _is_given_up(told: Told) -> bool:
    """A fault that may pass says nothing of results that may lie there, for a long time; a refusal does."""
    if isinstance(told.error, HeldBack | DiskFull):
        return False
    definite = told.error is None or isinstance(told.error, Rejected)
    return told.order.age > (TOO_LATE if definite else HOPELESS)


def _words(error: Any) -> str:
    return str(getattr(error, "message", error or ""))[:500]


def _end(
    job: BulkJob,
    now: datetime,
    message: str,
    *,
    error: CallError | None = None,
    failed: Failed | None = None,
    **changes: Any,
) -> None:
    """Over. Lines that have no answer yet all get this one."""
    lines = bulk_take.lines_of(job)
    settle_lines([Answer(ticket=line, ended_at=now, error=error, failed=failed) for line in lines], now)
    _offer_calls_at_once(job)
    _leave(job, None, state=JobState.OVER, ended_at=now, message=message[:500] or _words(error), **changes)


def _offer_calls_at_once(job: BulkJob) -> None:
    """What failed every time in bulk is sent by itself when a person tries it again."""
    tired = Step.objects.filter(attempts__bulk=job.pk, state=State.ATTENTION, reason=Reason.FAILED, lane=job.lane_id)
    for step in tired.select_related("offer"):
        message = f"{step.message[:400]} If you try it again, it is sent at once, at the full price."
        lane = plain_lane(job.provider_id, step)
        if lane is not None:
            Step.objects.filter(pk=step.pk, fence=step.fence, state=State.ATTENTION).update(lane=lane, message=message)
