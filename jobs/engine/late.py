"""What turns up after something was concluded without it: answers of calls that were taken for lost, answers kept on a
disk, jobs in a vendor's listing.

An attempt that is still open takes it as it would have taken it then. Otherwise the job is used by nobody: its money is
booked all the same, once, and people are told.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeGuard

from django.db import IntegrityError, transaction

from jobs import ledger
from jobs.advance import advance
from jobs.models import Attempt, Notice, Step
from jobs.states import Reason, State
from jobs.transactions import atomically
from providers.exceptions import CallError, NotSent, Rejected, Unknown
from providers.models import Provider
from providers.types import Recovery, RemoteJob

from . import books, reconcile, spill
from .calls import Answer
from .failpoints import failpoint
from .failures import reason_of, recovery_of
from .requests import Ticket, request_of
from .rows import move, update_each
from .settle import book_each, settle_calls, settle_polls

log = logging.getLogger(__name__)
Outcome = Attempt.Outcome
TAKEN = (Outcome.ACCEPTED, Outcome.ADOPTED)


def book_spilled(now: datetime) -> int:
    """Answers that dead workers of this machine could not book any more. Booked twice, they change nothing."""
    count = 0
    for path in spill.of_the_dead():
        answers, bad = spill.read(path), []
        for answer in answers:
            bad += book_each(settle_all_late, [answer], now)
            failpoint("mid_spilled")
        if bad:
            log.error("%s answers cannot be booked; they are kept in %s", len(bad), spill.put_by(path))
        path.unlink(missing_ok=True)
        count += len(answers) - len(bad)
    if count:
        log.warning("%s answers are booked that were kept while the database was away", count)
    return count


def settle_all_late(answers: Sequence[Answer], now: datetime) -> None:
    for answer in answers:
        settle_late(answer, now)


def settle_late(answer: Answer, now: datetime) -> None:
    """An answer to a submit, perhaps long after it came. It does nothing where its attempt has one already."""
    attempts = Attempt.objects.select_related("step__offer", "provider")
    attempt = attempts.filter(pk=answer.ticket.attempt_id).first()
    if attempt is None or attempt.outcome in TAKEN:
        return
    answer = replace(answer, ticket=replace(answer.ticket, request=request_of(attempt.step, tag=attempt.tag)))
    if attempt.outcome == Outcome.NONE:
        settle_calls([answer], now)
    if recovery_of(attempt) is not Recovery.FREE:  # what costs nothing was begun anew
        _conclude(answer, now)


@atomically
def _conclude(answer: Answer, now: datetime, *, units: dict[str, int] | None = None) -> None:
    """The answer to an attempt that was given up for lost meanwhile."""
    rows = Step.objects.select_for_update(of=("self",)).select_related("batch")
    step = rows.filter(pk=answer.ticket.step_id).first()
    attempts = Attempt.objects.select_related("lane", "price", "provider", "step__batch")
    attempt = attempts.filter(pk=answer.ticket.attempt_id).first()
    if step is None or attempt is None or attempt.outcome in (Outcome.NONE, *TAKEN):
        return
    if attempt.outcome != Outcome.UNKNOWN and attempt.cost_micro:
        return  # given up as paid
    if attempt.outcome == Outcome.UNKNOWN and _waits_for(step, attempt):
        _answer(step, attempt, answer, now)
    elif answer.error is None and not (answer.failed and not answer.failed.billed):
        done = units or (answer.failed.units if answer.failed else answer.units)
        micro = books.billed(attempt, dict(done)) if done else attempt.reserved_micro
        book_unused(attempt, answer.accepted_id or f"attempt {attempt.tag}", micro, now)
    elif attempt.outcome == Outcome.UNKNOWN and answer.failed:
        reconcile.free(step, attempt, Outcome.REJECTED, answer.failed.reason, now)
    elif attempt.outcome == Outcome.UNKNOWN and _says_no(answer.error):
        reconcile.free(step, attempt, _outcome_of(answer.error), answer.error.message, now)


def _says_no(error: Exception | None) -> TypeGuard[CallError]:
    """Nothing was made, and nothing is billed."""
    return isinstance(error, CallError) and not isinstance(error, Unknown)


def _outcome_of(error: CallError) -> Attempt.Outcome:
    return Outcome.NOT_SENT if isinstance(error, NotSent) else Outcome.REJECTED


def _waits_for(step: Step, attempt: Attempt) -> bool:
    is_asked = step.state == State.UNKNOWN or (step.state, step.reason) == (State.ATTENTION, Reason.DECISION)
    return is_asked and not Attempt.objects.filter(step=step, no__gt=attempt.no).exists()


def _answer(step: Step, attempt: Attempt, answer: Answer, now: datetime) -> None:
    if answer.error is None:
        reconcile.adopt(step, attempt, answer.accepted_id, now)
        if answer.failed or answer.files or answer.links or answer.units:
            settle_polls([answer], now)
    elif _says_no(answer.error):
        _was_not_made(step, attempt, answer.error, now)
    advance([step.video_id], now)


def _was_not_made(step: Step, attempt: Attempt, error: CallError, now: datetime) -> None:
    reconcile.free(step, attempt, _outcome_of(error), error.message, now)
    if not isinstance(error, Rejected):
        move([step], frm=State(step.state), to=State.READY, reason="", message="", not_before=now)
        return
    said: dict[str, str] = {"reason": reason_of(error), "message": error.message[:500]}
    if step.state == State.ATTENTION:
        Step.objects.filter(pk=step.pk, fence=step.fence, state=State.ATTENTION).update(**said)
    else:
        move([step], frm=State(step.state), to=State.ATTENTION, reason=said["reason"], message=said["message"])


# -- jobs that no step waits for ---------------------------------------------------------------------------------------


def found(attempt: Attempt, job: RemoteJob, now: datetime) -> None:
    """A listing shows a job whose answer was lost. While it is looked for anyway, that is left to those who look."""
    if attempt.step.state != State.UNKNOWN:
        ticket = Ticket(
            step_id=attempt.step_id,
            fence=attempt.step.fence,
            stage=attempt.step.stage,
            slug=attempt.provider.slug,
            request=request_of(attempt.step, tag=attempt.tag),
            options={},
            attempt_id=attempt.pk,
        )
        _conclude(Answer(ticket=ticket, ended_at=now, accepted_id=job.external_id), now, units=dict(job.units))


def book_unused(attempt: Attempt, external_id: str, micro: int, now: datetime) -> bool:
    """A job of an attempt that no step waits for any more. What was at risk for it is spent; else it is an orphan."""
    if attempt.outcome != Outcome.UNKNOWN:
        return book_orphan(attempt.provider, external_id, micro, now, attempt=attempt)
    if _is_anothers(attempt.provider, external_id, attempt):
        reconcile.free(attempt.step, attempt, Outcome.NOT_SENT, "another attempt has the job", now)
        return False
    row = (Outcome.ADOPTED, external_id, micro, now, attempt.pk)
    update_each(Attempt, ("outcome", "external_id", "cost_micro", "ended_at"), [row])
    books.write(books.settled(attempt, attempt.step.batch, micro, was_at_risk=True), now)
    return True


def _is_anothers(provider: Provider, external_id: str, attempt: Attempt | None) -> bool:
    """Where nothing carries our tag, of two that are alike each may have taken the other's job."""
    others = Attempt.objects.filter(provider=provider, external_id=external_id)
    return (others.exclude(pk=attempt.pk) if attempt else others).exists()


def book_orphan(
    provider: Provider, external_id: str, micro: int, now: datetime, *, attempt: Attempt | None = None
) -> bool:
    """A job that no step waits for is booked and told, once. False when it stands in the ledger already."""
    if _is_anothers(provider, external_id, attempt):
        return False
    if ledger.jobs_of_no_step(provider.pk, [external_id]):
        return False
    said = f"was concluded to be {attempt.get_outcome_display().lower()}" if attempt else "belongs to no order of ours"
    move = books.Move(
        kind=books.Kind.ORPHAN,
        attempt=attempt or books.Charge(None, provider.pk, 0),
        batch=attempt.step.batch if attempt else None,
        spent_micro=micro,
        note=f"the job {external_id[:100]} {said}",
        external_id=external_id,
    )
    try:
        with transaction.atomic():  # two that find it at the same moment
            books.write([move], now)
    except IntegrityError:
        return False
    where = f" ({attempt.step.get_stage_display()} of “{attempt.step.video}”)" if attempt else ""
    text = f"{provider} has a job that {said}: {external_id}{where}. ${micro / 10**6:,.2f} are booked for it."
    log.error(text)
    Notice.objects.create(at=now, text=text[:300])
    return True
