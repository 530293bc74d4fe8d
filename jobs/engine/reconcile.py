"""Lost answers of vendors that can be asked: found again and adopted, proved absent and sent again.

KEYED: the same request with the same key is sent again; the vendor answers with the first job.
LISTABLE: the job is looked for by our tag; absent in two listings, some time apart, means it was never accepted.
Where nothing carries a tag, jobs that look alike are shared out one to one (`alike.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from jobs.advance import advance
from jobs.models import Attempt, Step
from jobs.pipeline import sha256
from jobs.states import MOST_CRASHES, POISON_SAYS, Reason, State
from jobs.transactions import atomically
from providers import registry
from providers.exceptions import Rejected
from providers.types import Capability, Recovery

from . import alike, books, hooks, polling
from .calls import Answer
from .failpoints import failpoint
from .failures import LIST_LAG_S, reason_of
from .meters import recount, units_of
from .requests import Ticket, as_sent
from .rows import move, still_ours, update_each
from .settle import settle_polls

LISTINGS = 2  # that must not show the job before it counts as absent
Outcome = Attempt.Outcome


def is_keyed(ticket: Ticket) -> bool:
    return registry.get(ticket.slug).recovery_of(Capability(ticket.request.capability)) is Recovery.KEYED


@atomically
def settle_found(answers: Sequence[Answer], now: datetime) -> None:
    """What the vendors said about jobs whose submit was never answered. Of two about one, that which found it."""
    alike.lock_vendors(answers)
    ours = still_ours({a.ticket.step_id: a.ticket.fence for a in answers}, State.UNKNOWN)
    wanted = [a.ticket.attempt_id for a in answers]
    attempts = Attempt.objects.select_related("lane", "price", "provider").in_bulk(wanted)
    for answer in sorted(answers, key=lambda answer: not (answer.accepted_id or answer.files or answer.links)):
        step = ours.pop(answer.ticket.step_id, None)
        if step is None:
            continue
        attempt = attempts[answer.ticket.attempt_id]
        if isinstance(answer.error, Rejected) and is_keyed(answer.ticket):
            _refused(step, attempt, answer.error, now)
        elif answer.error is not None or answer.failed is not None or answer.running:
            _ask_again(step, attempt, now)
        elif answer.accepted_id or answer.files or answer.links:
            adopt(step, attempt, answer.accepted_id, now)
            if answer.files or answer.links:
                settle_polls([answer], now)
        elif not registry.get(answer.ticket.slug).tagged and not is_keyed(answer.ticket):
            _share_out(step, attempt, answer, now)
        else:
            _absent(step, attempt, now)


def _share_out(step: Step, attempt: Attempt, answer: Answer, now: datetime) -> None:
    share = alike.share_of(attempt, answer, now)
    if sha256(as_sent(answer.ticket.request)) != attempt.request_hash:
        # The offer's parameters were edited since: what is looked for is not what was sent.
        update_each(Attempt, ("ended_at",), [(now, attempt.pk)])
        message = "What was sent cannot be told among its provider's jobs: the offer was changed since."
        move([step], frm=State.UNKNOWN, to=State.ATTENTION, reason=Reason.DECISION, message=message)
        advance([step.video_id], now)
    elif share.must_wait:
        _ask_again(step, attempt, now)
    elif share.external_id:
        adopt(step, attempt, share.external_id, now)
    else:
        _absent(step, attempt, now)


def _ask_again(step: Step, attempt: Attempt, now: datetime) -> None:
    """A question that failed says nothing: the step stays where it is, until it is old enough for a person."""
    if not polling.is_too_old(attempt, now):
        Step.objects.filter(pk=step.pk, fence=step.fence, state=State.UNKNOWN).update(
            not_before=now + _list_lag(attempt) * 2
        )
        return
    update_each(Attempt, ("ended_at",), [(now, attempt.pk)])
    message = "Its provider has not said for hours whether it was made and billed."
    move([step], frm=State.UNKNOWN, to=State.ATTENTION, reason=Reason.DECISION, message=message)
    advance([step.video_id], now)


def _list_lag(attempt: Attempt) -> timedelta:
    adapter = registry.all_adapters().get(attempt.provider.slug)
    return timedelta(seconds=max(LIST_LAG_S, adapter.list_lag_s if adapter else 0.0))


def _refused(step: Step, attempt: Attempt, error: Rejected, now: datetime) -> None:
    """The vendor does not know the key as a job, and does not take the request: it was never made."""
    free(step, attempt, Outcome.REJECTED, error.message, now)
    move([step], frm=State.UNKNOWN, to=State.ATTENTION, reason=reason_of(error), message=error.message[:500])
    advance([step.video_id], now)


def adopt(step: Step, attempt: Attempt, external_id: str, now: datetime) -> None:
    """One job, one attempt (a unique constraint holds it). Its money is reserved again until the bill is known."""
    row = (Outcome.ADOPTED, external_id, None, attempt.pk)  # not ended: at the vendor it takes a place
    update_each(Attempt, ("outcome", "external_id", "ended_at"), [row])
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
    frm, due = State(step.state), polling.first_poll(attempt.lane, attempt, now)
    move([step], frm=frm, to=State.RUNNING, not_before=due, reason="", message="")


def _absent(step: Step, attempt: Attempt, now: datetime) -> None:
    if hooks.called_for(attempt):
        _ask_again(step, attempt, now)
        return
    seen = int(attempt.units.get("listings_without", 0)) + 1
    update_each(Attempt, ("units",), [({"listings_without": seen}, attempt.pk)])
    failpoint("mid_absent")
    if seen < LISTINGS:
        Step.objects.filter(pk=step.pk, fence=step.fence, state=State.UNKNOWN).update(
            not_before=now + _list_lag(attempt)
        )
        return
    free(step, attempt, Outcome.NOT_SENT, "not at the vendor", now)
    if step.crash_count >= MOST_CRASHES:
        move([step], frm=State.UNKNOWN, to=State.ATTENTION, reason=Reason.POISON, message=POISON_SAYS)
    else:
        move([step], frm=State.UNKNOWN, to=State.READY, not_before=now)
    advance([step.video_id], now)


def free(step: Step, attempt: Attempt, outcome: Attempt.Outcome, note: str, now: datetime) -> None:
    """It was never made: what was at risk for it is free."""
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
    if outcome == Outcome.NOT_SENT:
        recount([(attempt, {name: -n for name, n in units_of(attempt).items()})])
