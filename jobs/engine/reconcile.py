"""Lost answers of vendors that can be asked: found again and adopted, proved absent and sent again.

KEYED: the same request with the same key is sent again; the vendor answers with the first job.
LISTABLE: the job is looked for by our tag; absent in two listings, some time apart, means it was never accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from jobs.advance import advance
from jobs.models import Attempt, Step
from jobs.states import MOST_CRASHES, POISON_SAYS, Reason, State
from jobs.transactions import atomically
from providers import registry
from providers.exceptions import Rejected
from providers.types import Capability, Recovery

from . import books, polling
from .calls import Answer
from .failpoints import failpoint
from .requests import Ticket
from .rows import move, still_ours, update_each
from .settle import LIST_LAG_S, settle_polls

LISTINGS = 2  # that must not show the job before it counts as absent
Outcome = Attempt.Outcome


def is_keyed(ticket: Ticket) -> bool:
    return registry.get(ticket.slug).recovery_of(Capability(ticket.request.capability)) is Recovery.KEYED


@atomically
def settle_found(answers: Sequence[Answer], now: datetime) -> None:
    """What the vendors said about jobs whose submit was never answered."""
    ours = still_ours({a.ticket.step_id: a.ticket.fence for a in answers}, State.UNKNOWN)
    attempts = Attempt.objects.select_related("lane", "price").in_bulk([a.ticket.attempt_id for a in answers])
    for answer in answers:
        step = ours.get(answer.ticket.step_id)
        if step is None:
            continue
        attempt = attempts[answer.ticket.attempt_id]
        if isinstance(answer.error, Rejected) and is_keyed(answer.ticket):
            _refused(step, attempt, answer.error, now)
        elif answer.error is not None or answer.failed is not None or answer.running:
            _ask_again(step, attempt, now)
        elif answer.accepted_id or answer.files or answer.links:
            _adopt(step, attempt, answer.accepted_id, now)
            if answer.files or answer.links:
                settle_polls([answer], now)
        else:
            _absent(step, attempt, now)


def _ask_again(step: Step, attempt: Attempt, now: datetime) -> None:
    """A question that failed says nothing: the step stays where it is, until it is old enough for a person."""
    if not polling.is_too_old(attempt, now):
        Step.objects.filter(pk=step.pk, fence=step.fence, state=State.UNKNOWN).update(
            not_before=now + timedelta(seconds=LIST_LAG_S * 2)
        )
        return
    update_each(Attempt, ("ended_at",), [(now, attempt.pk)])
    message = "Its provider has not said for hours whether it was made and billed."
    move([step], frm=State.UNKNOWN, to=State.ATTENTION, reason=Reason.DECISION, message=message)
    advance([step.video_id], now)


def _refused(step: Step, attempt: Attempt, error: Rejected, now: datetime) -> None:
    """The vendor does not know the key as a job, and does not take the request: it was never made."""
    _free(step, attempt, Outcome.REJECTED, error.message, now)
    move([step], frm=State.UNKNOWN, to=State.ATTENTION, reason=Reason.REJECTED, message=error.message[:500])
    advance([step.video_id], now)


def _adopt(step: Step, attempt: Attempt, external_id: str, now: datetime) -> None:
    """One job, one attempt (a unique constraint holds it). Its money is reserved again until the bill is known."""
    update_each(Attempt, ("outcome", "external_id"), [(Outcome.ADOPTED, external_id, attempt.pk)])
    micro = attempt.reserved_micro
    books.write(
        [
            books.Move(
                kind=books.Kind.RESOLVE,
                attempt=attempt,
                batch=step.batch,
                at_risk_micro=-micro,
                reserved_micro=micro,
                note="found at the vendor",
            )
        ],
        now,
    )
    failpoint("mid_adopt")
    move([step], frm=State.UNKNOWN, to=State.RUNNING, not_before=polling.first_poll(attempt.lane, attempt, now))


def _absent(step: Step, attempt: Attempt, now: datetime) -> None:
    seen = int(attempt.units.get("listings_without", 0)) + 1
    update_each(Attempt, ("units",), [({"listings_without": seen}, attempt.pk)])
    failpoint("mid_absent")
    if seen < LISTINGS:
        Step.objects.filter(pk=step.pk, fence=step.fence, state=State.UNKNOWN).update(
            not_before=now + timedelta(seconds=LIST_LAG_S)
        )
        return
    _free(step, attempt, Outcome.NOT_SENT, "not at the vendor", now)
    if step.crash_count >= MOST_CRASHES:
        move([step], frm=State.UNKNOWN, to=State.ATTENTION, reason=Reason.POISON, message=POISON_SAYS)
    else:
        move([step], frm=State.UNKNOWN, to=State.READY, not_before=now)
    advance([step.video_id], now)


def _free(step: Step, attempt: Attempt, outcome: Attempt.Outcome, note: str, now: datetime) -> None:
    update_each(Attempt, ("outcome", "ended_at", "message"), [(outcome, now, note[:500], attempt.pk)])
    books.write(
        [
            books.Move(
                kind=books.Kind.RESOLVE,
                attempt=attempt,
                batch=step.batch,
                at_risk_micro=-attempt.reserved_micro,
                note=note,
            )
        ],
        now,
    )
