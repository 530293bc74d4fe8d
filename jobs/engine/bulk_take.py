"""What is to be done next about a bulk job, decided under its lock, for a thread to do.

OPEN, CLOSED, SENDING, (UNKNOWN,) RUNNING, READING, OVER. Uploading costs nothing and may be done again; `create` is
what is paid for: SENDING is written before it leaves, and one of which no answer is known is looked for by its tag.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from time import monotonic
from typing import Any

from django.db.models import F

from jobs.models import Attempt, BulkJob, Worker
from jobs.pipeline import sha256
from jobs.states import State
from jobs.transactions import atomically
from providers import registry
from providers.exceptions import HeldBack
from providers.models import Lane, Provider, Quota
from providers.types import Capability, Request

from . import put_right, recovery
from .bulk_claim import is_open
from .calls import Answer
from .desk import LEASE_MARGIN_S
from .failures import LIST_LAG_S
from .meters import SEND_WITHIN, UNITS, count_usage, hour_of, read_meters, recount
from .requests import CLOCK_SKEW, Ticket, as_sent, request_of
from .settle import settle_calls

log = logging.getLogger(__name__)
JobState = BulkJob.State
PUT_OFF_S = 5.0  # until one that may not be sent now is looked at again
CREATE_S = 60.0  # the longest that its answer may take
UPLOAD_S, READ_S = 600.0, 3600.0  # leases, where nothing proves that their owner is dead
LATE_SHARE = 1.25  # of the vendor's window: then a job is ended


class Act(StrEnum):
    UPLOAD = "upload"
    CREATE = "create"
    FIND = "find"
    POLL = "poll"
    READ = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a thread is to do about a job."""

    act: Act
    job_id: int
    fence: int
    ticket: Ticket  # names the vendor
    capability: Capability
    tag: str
    lines: tuple[Ticket, ...] = ()
    input_file: str = ""
    external_id: str = ""
    cancel: bool = False
    age: float = 0.0  # of the job, in its vendor's windows; 0 where the clock is not to be believed just now
    sent_at: datetime | None = None
    send_by: datetime | None = None
    send_until: float = field(default=0.0, compare=False)


def due(slugs: Sequence[str], most: int, now: datetime) -> list[int]:
    waiting = BulkJob.objects.filter(owner=None, next_at__lte=now, provider__slug__in=slugs)
    return list(waiting.order_by("next_at", "pk").values_list("pk", flat=True)[: max(0, most)])


@atomically
def take(job_id: int, me: Worker, now: datetime, *, ages: bool) -> Order | None:
    """None where there is nothing for a thread to do about it just now. Without `ages` none is ended for its own."""
    provider_id = BulkJob.objects.values_list("provider", flat=True).get(pk=job_id)
    provider = Provider.objects.select_for_update(no_key=True).get(pk=provider_id)
    jobs = BulkJob.objects.select_for_update(of=("self",)).select_related("batch", "lane", "offer")
    job = jobs.get(pk=job_id)
    if job.owner is not None or job.next_at is None or job.next_at > now:
        return None
    job.provider = provider
    age = age_of(job, now) if ages else 0.0
    match job.state:
        case JobState.OPEN | JobState.CLOSED:
            return _to_be_sent(job, me, now)
        case JobState.UNKNOWN:
            return _hand_out(job, me, now, Act.FIND, CREATE_S, age=age)
        case JobState.RUNNING:
            cancel = age > LATE_SHARE or _is_unwanted(job)
            return _hand_out(job, me, now, Act.POLL, CREATE_S, cancel=cancel, age=age)
        case _:
            if lines := lines_of(job):
                return _hand_out(job, me, now, Act.READ, READ_S, lines=lines, age=age)
            update(job.pk, job.fence, state=JobState.OVER, ended_at=now, next_at=None)
            return None


def _to_be_sent(job: BulkJob, me: Worker, now: datetime) -> Order | None:
    if not _wanted(job).exists():
        _end_unsent(job, now)
    elif job.batch.paused_at or not job.provider.is_open(now) or not is_open(job.lane, now) or _is_full(job.lane):
        update(job.pk, job.fence, next_at=now + timedelta(seconds=PUT_OFF_S))
    elif not job.input_file:
        return _upload(job, me, now)
    elif (at := _room_at(job, now)) > now:
        update(job.pk, job.fence, next_at=at)
    elif len(_good(job, lines_of(job))) < job.lines:  # those of the file: it may have waited for a day
        return _upload(job, me, now)
    else:
        return _create(job, me, now)
    return None


def _good(job: BulkJob, lines: Sequence[Ticket]) -> list[Ticket]:
    """Without those that nobody wants any more, and those that would not be sent as they were written down."""
    wanted = dict(_wanted(job).values_list("pk", "request_hash"))
    return [line for line in lines if wanted.get(line.attempt_id) == sha256(as_sent(line.request))]


def _upload(job: BulkJob, me: Worker, now: datetime) -> Order | None:
    """A file that was uploaded before is forgotten first: should this one fail, the old one must not be ordered."""
    lines = lines_of(job)
    good = _good(job, lines)
    kept = {line.attempt_id for line in good}
    held = HeldBack("It was left out of its bulk job: nobody wants it any more, or the offer was changed since.")
    if dropped := [line for line in lines if line.attempt_id not in kept]:
        settle_calls([Answer(ticket=line, ended_at=now, error=held) for line in dropped], now)
    if not good:
        _end_unsent(job, now)
        return None
    changes = {"state": JobState.CLOSED, "lines": len(good), "input_file": ""}
    return _hand_out(job, me, now, Act.UPLOAD, UPLOAD_S, lines=tuple(good), changes=changes)


def _create(job: BulkJob, me: Worker, now: datetime) -> Order:
    """The intent. From here on nobody may send it again before it is known what became of it."""
    window = timedelta(seconds=registry.get(job.provider.slug).bulk_window_s)
    _open_lines(job).update(sent_at=now, send_deadline=now + window)
    _count_as_one(job, now)
    job.sent_at = now
    changes = {"state": JobState.SENDING, "sent_at": now, "listings_without": 0}
    return _hand_out(job, me, now, Act.CREATE, CREATE_S + SEND_WITHIN.total_seconds(), changes=changes)


def _count_as_one(job: BulkJob, now: datetime) -> None:
    first = _open_lines(job).order_by("pk").values_list("pk", flat=True)[:1]
    Attempt.objects.filter(pk__in=list(first)).update(counts=True)
    kind = (job.capability, job.offer_id, hour_of(now))
    count_usage(job.provider_id, {kind: {"requests": 1, **dict.fromkeys(UNITS, 0)}})


def uncount(job_id: int) -> None:
    """It did not come to the vendor after all."""
    for attempt in Attempt.objects.filter(bulk=job_id, counts=True):
        recount([(attempt, {"requests": -1})])
        Attempt.objects.filter(pk=attempt.pk).update(counts=False)


def _hand_out(
    job: BulkJob,
    me: Worker,
    now: datetime,
    act: Act,
    lease_s: float,
    *,
    lines: tuple[Ticket, ...] = (),
    cancel: bool = False,
    age: float = 0.0,
    changes: dict[str, Any] | None = None,
) -> Order:
    lease_until = now + timedelta(seconds=lease_s + LEASE_MARGIN_S)
    update(job.pk, job.fence, owner=me.pk, lease_until=lease_until, fence=F("fence") + 1, **(changes or {}))
    return Order(
        act=act,
        job_id=job.pk,
        fence=job.fence + 1,
        ticket=replace(ticket_of(job), off_by=put_right.off_by(now)) if act is Act.FIND else ticket_of(job),
        capability=Capability(job.capability),
        tag=job.tag,
        lines=lines,
        input_file=job.input_file,
        external_id=job.external_id,
        cancel=cancel,
        age=age,
        sent_at=job.sent_at,
        send_by=now + SEND_WITHIN,
        send_until=monotonic() + SEND_WITHIN.total_seconds(),
    )


def ticket_of(job: BulkJob) -> Ticket:
    request = Request(capability=Capability(job.capability), offer=job.offer.name, prompt="")
    provider = job.provider
    return Ticket(step_id=0, fence=0, stage="", slug=provider.slug, request=request, options=provider.options)


def update(job_id: int, from_fence: int, **changes: Any) -> bool:
    """False when somebody else has taken it since."""
    return bool(BulkJob.objects.filter(pk=job_id, fence=from_fence).update(**changes))


# -- its lines ---------------------------------------------------------------------------------------------------------


def _open_lines(job: BulkJob) -> Any:
    return Attempt.objects.filter(bulk=job.pk, outcome=Attempt.Outcome.NONE)


def lines_of(job: BulkJob) -> tuple[Ticket, ...]:
    """Those whose answer is not booked yet."""
    found = _open_lines(job).filter(step__state=State.CLAIMED, step__fence=F("no"))
    return tuple(
        Ticket(
            step_id=attempt.step_id,
            fence=attempt.no,
            stage=attempt.step.stage,
            slug=job.provider.slug,
            request=_request(job, attempt),
            options=job.provider.options,
            attempt_id=attempt.pk,
            lane_id=attempt.lane_id,
            sent_at=attempt.sent_at,
        )
        for attempt in found.select_related("step__offer").order_by("pk")
    )


def _request(job: BulkJob, attempt: Attempt) -> Request:
    """What is paid for is read in any case: by its tag alone, where no request can be made of its step any more."""
    try:
        return request_of(attempt.step, tag=attempt.tag)
    except Exception:
        log.exception("step %s: no request can be made of it", attempt.step_id)
        return Request(capability=Capability(job.capability), offer=job.offer.name, prompt="", tag=attempt.tag)


def _wanted(job: BulkJob) -> Any:
    """While it is not sent: a line that is only gathered is not out, and goes with its video."""
    return _open_lines(job).filter(step__cancel_asked=False, step__video__cancelled_at=None)


def _is_unwanted(job: BulkJob) -> bool:
    """Once it is out: every line that is open is to be ended."""
    return not _open_lines(job).filter(step__cancel_asked=False).exists()


def _end_unsent(job: BulkJob, now: datetime) -> None:
    held = HeldBack("Its bulk job was not sent: nobody wants it any more.")
    settle_calls([Answer(ticket=line, ended_at=now, error=held) for line in lines_of(job)], now)
    update(job.pk, job.fence, state=JobState.OVER, ended_at=now, next_at=None, message=held.message)


# -- when it may be sent, and when it is too old -----------------------------------------------------------------------


def _is_full(lane: Lane) -> bool:
    """Of a lane of bulk jobs, its cap counts these."""
    if lane.max_in_flight is None:
        return False
    out = (JobState.SENDING, JobState.UNKNOWN, JobState.RUNNING)
    return BulkJob.objects.filter(lane=lane, state__in=out).count() >= lane.max_in_flight


def _room_at(job: BulkJob, now: datetime) -> datetime:
    """By the quotas of requests: the job is one, however many lines it has."""
    lanes = list(Lane.objects.filter(provider=job.provider))
    meters = [meter for meter in read_meters(job.provider, lanes, now) if meter.quota.unit == Quota.Unit.REQUESTS]
    mine = [meter for meter in meters if meter.quota.matches(job.capability, job.offer_id)]
    moment = now.timestamp()
    later = max((meter.when({}, moment) for meter in mine), default=moment)
    return now + timedelta(seconds=later - moment) if later > moment else now


def age_of(job: BulkJob, now: datetime) -> float:
    """In its vendor's windows."""
    return (now - (job.sent_at or job.created_at)).total_seconds() / registry.get(job.provider.slug).bulk_window_s


# -- what dead processes held ------------------------------------------------------------------------------------------


def free_dead(me: Worker, now: datetime) -> None:
    """At once where its owner is provably gone. Else after the lease; one that is being sent not while its sender lives
    here, and after a quiet period: by then it has been sent or will not be, and the vendor's listing shows it."""
    for job in BulkJob.objects.exclude(owner=None).select_related("provider"):
        assert job.owner is not None and job.lease_until is not None
        is_sending = job.state == JobState.SENDING
        adapter = registry.all_adapters().get(job.provider.slug)
        lag_s = max(LIST_LAG_S, adapter.list_lag_s if adapter else 0.0)
        quiet = timedelta(seconds=CREATE_S + lag_s) + CLOCK_SKEW if is_sending else recovery.LEASE_GRACE
        is_gone = job.owner != me.pk and recovery.is_dead(job.owner)
        if not is_gone and (now <= job.lease_until + quiet or (is_sending and recovery.is_at_work(job.owner))):
            continue
        log.warning("bulk job %s of a dead process is taken up again", job.pk)
        changes = {"state": JobState.UNKNOWN} if is_sending else {}
        wait = timedelta(seconds=lag_s if is_sending else 0.0)
        update(job.pk, job.fence, owner=None, lease_until=None, fence=F("fence") + 1, next_at=now + wait, **changes)
