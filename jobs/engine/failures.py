"""What becomes of a step and its money when a call did not bring what was asked: one reaction for each way to fail."""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from typing import Any

from jobs import risk
from jobs.models import Attempt, Decision, Step
from jobs.states import MOST_CRASHES, Reason, State
from providers import downloads, registry
from providers.exceptions import CallError, HeldBack, NotSent, OutOfCredit, RateLimited, Rejected, Unauthorised
from providers.models import Provider
from providers.types import Capability, Recovery

from . import books, hooks, polling
from .calls import Answer
from .requests import Ticket
from .settlement import Settlement

log = logging.getLogger(__name__)
Outcome = Attempt.Outcome

MOST_FAILURES = 3  # definite ones, then a person is asked
NOT_SENT_PAUSE_S = 2.0
FAILURE_PAUSE_S = 2.0  # after the first; to the power of their number after more
ENDING_S = 180.0  # some looks at a job that is to be ended
LIST_LAG_S = 5.0  # how long a vendor's listing may lag behind


def settle_failure(batch: Settlement, step: Step, attempt: Attempt, answer: Answer) -> None:
    failed = answer.failed
    assert failed is not None
    micro = books.billed(attempt, books.promised_of(attempt) | dict(failed.units)) if failed.billed else 0
    reason = failed.reason
    if answer.was_ended and not step.cancel_asked:
        reason = f"It was still running after {_hours(attempt)} and was ended ({reason})."
    if failed.moderated and not step.cancel_asked:
        close(batch, step, attempt, Outcome.ACCEPTED, failed.reason, micro=micro)
        batch.go(step, State.ATTENTION, reason=Reason.CONTENT, message=failed.reason[:500])
    elif failed.out_of_credit:
        close(batch, step, attempt, Outcome.ACCEPTED, failed.reason, micro=micro)
        pause_provider(step, failed.reason)
        if step.cancel_asked:
            batch.go(step, State.CANCELLED, finished_at=batch.now)
        else:
            batch.go(step, State.READY, not_before=batch.now)
    else:
        _blame(batch, attempt)
        _end_badly(batch, step, attempt, reason, micro=micro)


def settle_error(
    batch: Settlement,
    step: Step,
    attempt: Attempt,
    error: CallError | downloads.DiskFull | downloads.DownloadError,
    ticket: Ticket,
) -> None:
    """One reaction for each error of providers/exceptions.py."""
    now, free = batch.now, recovery_of(attempt) is Recovery.FREE
    if step.state == State.RUNNING:
        _settle_poll_error(batch, step, attempt, error, ticket)
    elif isinstance(error, RateLimited):
        close(batch, step, attempt, Outcome.REJECTED, error.message, http_status=error.http_status)
        batch.news.of(attempt).refused.append((attempt, error))
        if error.http_status == 429:
            batch.news.uncounted(attempt)
        batch.go(step, State.READY, not_before=now)
    elif isinstance(error, HeldBack):
        close(batch, step, attempt, Outcome.NOT_SENT, error.message)
        batch.go(step, State.READY, not_before=now + timedelta(seconds=error.again_in_s))
    elif isinstance(error, NotSent):
        _blame(batch, attempt)
        close(batch, step, attempt, Outcome.NOT_SENT, error.message)
        batch.go(step, State.READY, not_before=now + timedelta(seconds=random.uniform(0.5, 1) * NOT_SENT_PAUSE_S))
    elif isinstance(error, Rejected):
        close(batch, step, attempt, Outcome.REJECTED, error.message, http_status=error.http_status)
        batch.go(step, State.ATTENTION, reason=reason_of(error), message=error.message[:500])
    elif isinstance(error, Unauthorised | OutOfCredit):
        close(batch, step, attempt, Outcome.REJECTED, error.message, http_status=error.http_status)
        pause_provider(step, error.message)
        batch.go(step, State.READY, not_before=now)
    elif isinstance(error, downloads.DiskFull) and free:
        close(batch, step, attempt, Outcome.NOT_SENT, error.message)
        batch.go(step, State.READY, not_before=now + timedelta(seconds=10))
    elif free:
        _end_badly(batch, step, attempt, error.message, micro=0)
    else:
        _blame(batch, attempt)
        lose_answer(batch, step, attempt, error)


def pause_provider(step: Step, why: str) -> None:
    """Until a person has seen to the account."""
    Provider.objects.filter(pk=step.provider_id).update(paused=True, pause_reason=why[:300])
    log.error("%s is paused: %s", step.provider_id, why)


def _blame(batch: Settlement, attempt: Attempt) -> None:
    """A failure of the vendor's; what is done on this machine has none."""
    if recovery_of(attempt) is not Recovery.FREE:
        batch.news.of(attempt).failures += 1


def _settle_poll_error(batch: Settlement, step: Step, attempt: Attempt, error: Any, ticket: Ticket) -> None:
    """A poll costs nothing: whatever went wrong with it, ask again later."""
    if isinstance(error, Unauthorised | OutOfCredit):
        pause_provider(step, error.message)
    if _was_deleted(ticket, error):
        _count_as_paid(batch, step, attempt, f"It was ended, and {attempt.provider} knows it no more")
        return
    if _is_misnamed(attempt, error):
        _ask_the_person_again(batch, step, attempt)
        return
    if ticket.too_old and had_time_to_end(batch, attempt):
        give_up(batch, step, attempt, f"Nothing could be learned of it ({error.message})")
        return
    until = polling.after_failure(attempt, error, batch.now)
    Step.objects.filter(pk=step.pk, fence=step.fence, state=State.RUNNING).update(not_before=until)


def _was_deleted(ticket: Ticket, error: Any) -> bool:
    """By our own cancel, of which nobody need have heard the answer. Such a vendor never says whether it bills it."""
    return ticket.cancel and registry.get(ticket.slug).cancel_deletes and getattr(error, "http_status", None) == 404


def _is_misnamed(attempt: Attempt, error: Any) -> bool:
    """The vendor knows no such job, and it was a person who named it."""
    if attempt.outcome != Outcome.ADOPTED or getattr(error, "http_status", None) != 404:
        return False
    return attempt.decisions.filter(kind=Decision.Kind.IT_HAPPENED).exists()


def _ask_the_person_again(batch: Settlement, step: Step, attempt: Attempt) -> None:
    """As it was before the job was named: its money is at risk."""
    reason = f"{attempt.provider} knows no job “{attempt.external_id}”: look for its id once more."
    batch.moves.append(books.put_at_risk_again(attempt, step.batch))
    batch.attempt(attempt, outcome=Outcome.UNKNOWN, external_id="", message=reason, ended_at=batch.now)
    batch.go(step, State.ATTENTION, reason=Reason.DECISION, message=reason)


def lose_answer(batch: Settlement, step: Step, attempt: Attempt, error: Any, *, crash_count: int | None = None) -> None:
    """No clear answer to a paid submit: its money is at risk until the vendor or a person says what happened.

    `crash_count` stays with the step where the process that sent it died.
    """
    crashed = {} if crash_count is None else {"crash_count": crash_count}
    recovery = recovery_of(attempt)
    blind = recovery is Recovery.BLIND and not hooks.job_named(attempt)
    batch.attempt(
        attempt,
        outcome=Outcome.UNKNOWN,
        message=error.message[:500],
        http_status=getattr(error, "http_status", None),
        ended_at=batch.now if blind else None,
    )
    batch.moves.append(books.put_at_risk(attempt, step.batch))
    may_end_us = crash_count is not None and crash_count >= MOST_CRASHES
    if blind and not may_end_us and not step.cancel_asked and risk.accept(step, attempt, batch.now):
        wait = random.uniform(0.5, 1) * FAILURE_PAUSE_S
        batch.go(step, State.READY, not_before=batch.now + timedelta(seconds=wait), **crashed)
    elif blind:
        batch.go(
            step,
            State.ATTENTION,
            reason=Reason.DECISION,
            message=f"{error.message} Nobody can tell from here whether it was made and billed."[:500],
            **crashed,
        )
    else:
        batch.go(step, State.UNKNOWN, not_before=batch.now + timedelta(seconds=LIST_LAG_S), **crashed)


def _end_badly(batch: Settlement, step: Step, attempt: Attempt, reason: str, *, micro: int) -> None:
    """A definite failure: try again a little later, and ask a person after the third."""
    close(batch, step, attempt, Outcome.ACCEPTED, reason, micro=micro)
    count_failure(batch, step, reason)


def had_time_to_end(batch: Settlement, attempt: Attempt) -> bool:
    """What is too old is ended at the vendor, if it can be. From the first look that found it so it has a while."""
    if attempt.ending_since is None or attempt.ending_since > batch.now:
        batch.attempt(attempt, ending_since=batch.now)
        return False
    return batch.now > attempt.ending_since + timedelta(seconds=ENDING_S)


def give_up(batch: Settlement, step: Step, attempt: Attempt, what: str) -> None:
    """Nobody knows how a job ended: it counts as billed, and only a person buys it again."""
    _count_as_paid(batch, step, attempt, f"{what} after {_hours(attempt)}")


def _count_as_paid(batch: Settlement, step: Step, attempt: Attempt, what: str) -> None:
    reason = f"{what}; it was given up and booked as paid."
    close(batch, step, attempt, Outcome.GIVEN_UP, reason, micro=attempt.reserved_micro)
    if step.cancel_asked:
        batch.go(step, State.CANCELLED, finished_at=batch.now)
    else:
        batch.go(step, State.ATTENTION, reason=Reason.FAILED, message=reason[:500])


def _hours(attempt: Attempt) -> str:
    return f"{polling.max_age(attempt).total_seconds() / 3600:.2g} hours"


def count_failure(batch: Settlement, step: Step, reason: str) -> None:
    failures = step.failures + 1
    if step.cancel_asked:
        batch.go(step, State.CANCELLED, finished_at=batch.now)
    elif failures >= MOST_FAILURES:
        batch.go(step, State.ATTENTION, reason=Reason.FAILED, message=reason[:500], failures=failures)
    else:
        wait = random.uniform(0.5, 1) * FAILURE_PAUSE_S**failures
        batch.go(step, State.READY, not_before=batch.now + timedelta(seconds=wait), failures=failures)


def close(
    batch: Settlement,
    step: Step,
    attempt: Attempt,
    outcome: Outcome,
    message: str,
    *,
    micro: int = 0,
    http_status: int | None = None,
) -> None:
    batch.attempt(
        attempt, outcome=outcome, message=message[:500], http_status=http_status, cost_micro=micro, ended_at=batch.now
    )
    if micro:
        batch.moves += books.settled(attempt, step.batch, micro)
    else:
        batch.moves.append(books.released(attempt, step.batch))


def reason_of(error: Rejected) -> Reason:
    """What was declined for its content is declined again: something has to be changed first."""
    return Reason.CONTENT if error.moderated else Reason.REJECTED


def recovery_of(attempt: Attempt) -> Recovery:
    adapter = registry.all_adapters().get(attempt.provider.slug)
    if adapter is None or attempt.bulk_id is not None:  # a line that nothing speaks of is found in no listing
        return Recovery.BLIND
    return adapter.recovery_of(Capability(attempt.capability))
