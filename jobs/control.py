"""What people do with running work: pause, resume, cancel, release a gate, decide about a step that needs them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from django.contrib.auth.models import User
from django.db.models import Case, F, QuerySet, Value, When

from jobs import ledger
from jobs.advance import advance, mark
from jobs.models import Attempt, Batch, BulkJob, Decision, Step, Video
from jobs.states import Reason, State
from jobs.transactions import atomically
from providers import registry
from providers.base import Adapter

AT_ONCE = 200
OUT = (State.CLAIMED, State.RUNNING, State.UNKNOWN)


class Refused(Exception):
    """What was asked for cannot be done; says why."""


class Cancel(StrEnum):
    WAITING = "waiting"  # videos that have not begun
    ALL_BUT_RUNNING = "all_but_running"  # nothing new is begun; what is out is finished
    EVERYTHING = "everything"  # what is out is ended, too, where that can be done


def pause(batch: Batch, now: datetime) -> None:
    """Nothing new is sent; what is out is polled, fetched and booked as ever."""
    Batch.objects.filter(pk=batch.pk, paused_at=None).update(paused_at=now)


def resume(batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(paused_at=None)


@atomically
def cancel(batch: Batch, how: Cancel, now: datetime) -> int:
    """Cancels videos of this batch and of no other. Returns how many."""
    videos = Video.objects.filter(batch=batch, finished_at=None, cancelled_at=None)
    if how is Cancel.WAITING:
        videos = videos.filter(started_at=None)
    count = cancel_videos(videos.values_list("pk", flat=True), how, now)
    if not Video.objects.filter(batch=batch, cancelled_at=None).exists():
        Batch.objects.filter(pk=batch.pk).update(cancelled_at=now)
    return count


@atomically
def cancel_video(video: Video, now: datetime) -> None:
    if not cancel_videos([video.pk], Cancel.EVERYTHING, now):
        raise Refused("This video is already over.")


def cancel_videos(video_ids: Iterable[int], how: Cancel, now: datetime) -> int:
    ids = list(video_ids)
    count = Video.objects.filter(pk__in=ids, finished_at=None, cancelled_at=None).update(cancelled_at=now)
    steps = Step.objects.filter(video__in=ids)
    _end_idle(steps, how, now)
    if how is Cancel.EVERYTHING:
        at_once = Case(When(state=State.UNKNOWN, then=F("not_before")), default=Value(now))
        steps.filter(state__in=OUT).update(cancel_asked=True, not_before=at_once)
        _end_idle(steps, how, now)
    lines = Attempt.objects.filter(step__in=steps, outcome=Attempt.Outcome.NONE, bulk__isnull=False)
    BulkJob.objects.filter(pk__in=lines.values("bulk"), next_at__gt=now).update(next_at=now)
    if len(ids) <= AT_ONCE:
        advance(ids, now)
    else:
        mark(ids)
    return count


def _end_idle(steps: QuerySet[Step], how: Cancel, now: datetime) -> None:
    """Before those that are out are told, and after it: on PostgreSQL steps go on meanwhile, in either direction."""
    idle = [State.READY, State.ATTENTION]
    if how is Cancel.EVERYTHING:
        idle += [State.FETCHING, State.CHECKING]
    steps.filter(state__in=idle).exclude(reason=Reason.DECISION).update(
        state=State.CANCELLED, finished_at=now, owner=None, lease_until=None, fence=F("fence") + 1
    )


@atomically
def release_scripts(videos: Iterable[Video], by: User, now: datetime) -> None:
    """The scripts were read: the rest may be made."""
    _release(videos, "script_released_at", "scripts", by, now)


@atomically
def release_renders(videos: Iterable[Video], by: User, now: datetime) -> None:
    _release(videos, "render_released_at", "render", by, now)


def _release(videos: Iterable[Video], field: str, what: str, by: User, now: datetime) -> None:
    ids = [video.pk for video in videos]
    count = Video.objects.filter(pk__in=ids, **{field: None}).update(**{field: now})
    Decision.objects.create(kind=Decision.Kind.RELEASE, by=by, at=now, note=f"{what} of {count} videos")
    advance(ids, now)


@atomically
def try_again(step: Step, by: User, now: datetime) -> None:
    """Sends a step in ATTENTION off once more. One whose answer was lost counts as: it did not happen."""
    step = in_attention(step)
    if step.reason == Reason.DECISION:
        _resolve(step, spent=False, outcome=Attempt.Outcome.GIVEN_UP, now=now)
    Step.objects.filter(pk=step.pk, state=State.ATTENTION).update(
        state=_resumes_at(step), reason="", message="", failures=0, crash_count=0, not_before=now
    )
    Decision.objects.create(kind=Decision.Kind.TRY_AGAIN, step=step, by=by, at=now)
    advance([step.video_id], now)


@atomically
def it_happened(step: Step, by: User, now: datetime, *, external_id: str = "") -> None:
    """A lost answer was a yes: its price is booked. With the vendor's id the job is followed, else it is made again."""
    step = in_attention(step)
    if step.reason != Reason.DECISION:
        raise Refused("This step does not wait for a decision about money.")
    if external_id and registry.get(step.provider.slug).poll is Adapter.poll:
        raise Refused(f"{step.provider} answers at once; it has no jobs that could be followed. Leave the id empty.")
    others = Attempt.objects.filter(provider=step.provider_id).exclude(pk=lost_attempt(step).pk)
    if external_id and others.filter(external_id=external_id).exists():
        raise Refused(f"The job {external_id} already belongs to another attempt.")
    if external_id and ledger.jobs_of_no_step(step.provider_id, [external_id]):
        raise Refused(
            f"The job {external_id} is booked already, as one that belonged to no order. Say that it did not happen: "
            "then it is made again, and nothing is booked twice."
        )
    attempt = _resolve(step, spent=not external_id, outcome=Attempt.Outcome.ADOPTED, now=now, external_id=external_id)
    Step.objects.filter(pk=step.pk, state=State.ATTENTION).update(
        state=State.RUNNING if external_id else State.READY, reason="", message="", not_before=now
    )
    Decision.objects.create(
        kind=Decision.Kind.IT_HAPPENED, step=step, attempt=attempt, amount_micro=attempt.reserved_micro, by=by, at=now
    )
    advance([step.video_id], now)


def _resumes_at(step: Step) -> State:
    """What was paid for is not bought again: a stored file is looked at once more, a known link fetched once more."""
    if step.reason != Reason.DECISION and step.assets.exists():
        return State.CHECKING
    return State.FETCHING if step.reason != Reason.DECISION and step.links else State.READY


def in_attention(step: Step) -> Step:
    fresh = Step.objects.select_for_update(of=("self",)).select_related("batch", "provider", "video").get(pk=step.pk)
    if fresh.state != State.ATTENTION:
        raise Refused("Somebody has already moved this step on.")
    return fresh


def lost_attempt(step: Step) -> Attempt:
    """The one whose answer the step waits for: the last, as earlier ones may be at risk by a decision."""
    return Attempt.objects.filter(step=step, outcome=Attempt.Outcome.UNKNOWN).latest("no")


def end_step(step: Step, now: datetime) -> None:
    """It is not made any more."""
    Step.objects.filter(pk=step.pk, state=step.state).update(
        state=State.CANCELLED, reason="", finished_at=now, owner=None, lease_until=None, fence=F("fence") + 1
    )


def _resolve(step: Step, *, spent: bool, outcome: Attempt.Outcome, now: datetime, external_id: str = "") -> Attempt:
    """Closes what was at risk: booked as spent, reserved again for a job that is followed, or freed.

    Freed, it is nobody's job any more: a sweep that finds one after all books it.
    """
    attempt = lost_attempt(step)
    micro = attempt.reserved_micro
    Attempt.objects.filter(pk=attempt.pk).update(
        outcome=outcome,
        external_id=external_id or (attempt.external_id if spent else ""),
        cost_micro=micro if spent else 0,
        ended_at=None if external_id else now,
    )
    resolved = ledger.Move(
        kind=ledger.Kind.RESOLVE,
        attempt=attempt,
        batch=step.batch,
        at_risk_micro=-micro,
        spent_micro=micro if spent else 0,
        reserved_micro=micro if external_id else 0,
    )
    ledger.write([resolved], now)
    return attempt
