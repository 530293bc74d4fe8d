"""What a person says about a lost answer, and later about money that was left at risk for one."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from django.contrib.auth.models import User

from jobs import control, ledger
from jobs.advance import advance
from jobs.control import Cancel, Refused
from jobs.models import Attempt, Batch, Decision, Step
from jobs.states import Reason
from jobs.transactions import atomically

AT_RISK_BY = (Decision.Kind.ACCEPT_DUPLICATE, Decision.Kind.GIVE_UP)  # decisions that left an attempt's money at risk


class Word(StrEnum):
    AGAIN = "again"  # it did not happen
    HAPPENED = "happened"
    GIVE_UP = "give_up"


def decide(step: Step, word: Word, by: User, now: datetime, *, external_id: str = "") -> None:
    """Each asks first whether the step still waits for it; refuses with a sentence where it does not."""
    if word is Word.HAPPENED:
        control.it_happened(step, by, now, external_id=external_id)
    elif word is Word.GIVE_UP:
        give_up(step, by, now)
    else:
        control.try_again(step, by, now)


@atomically
def give_up(step: Step, by: User, now: datetime) -> None:
    """Its video is not made. Nobody knows what the lost answer cost: that stays at risk until somebody does."""
    step = control.in_attention(step)
    if step.reason != Reason.DECISION:
        raise Refused("This step does not wait for a decision about money.")
    attempt = control.lost_attempt(step)
    control.end_step(step, now)
    Decision.objects.create(
        kind=Decision.Kind.GIVE_UP, step=step, attempt=attempt, amount_micro=attempt.reserved_micro, by=by, at=now
    )
    if step.video.cancelled_at is None and step.video.finished_at is None:
        control.cancel_videos([step.video_id], Cancel.EVERYTHING, now)
    else:
        advance([step.video_id], now)


@atomically
def settle_risk(attempt: Attempt, by: User, now: datetime, *, billed: bool) -> None:
    """What the provider's bill says about an attempt whose money was left at risk."""
    fresh = Attempt.objects.select_for_update(of=("self",)).select_related("step__batch").get(pk=attempt.pk)
    left = fresh.decisions.filter(kind__in=AT_RISK_BY).exists()
    if fresh.outcome != Attempt.Outcome.UNKNOWN or not left:
        raise Refused("Somebody has already said what became of this money.")
    micro = fresh.reserved_micro if billed else 0
    Attempt.objects.filter(pk=fresh.pk).update(outcome=Attempt.Outcome.GIVEN_UP, cost_micro=micro, ended_at=now)
    ledger.write(ledger.settled(fresh, fresh.step.batch, micro, was_at_risk=True), now)
    kind = Decision.Kind.BILLED if billed else Decision.Kind.NOT_BILLED
    Decision.objects.create(kind=kind, step=fresh.step, attempt=fresh, amount_micro=micro, by=by, at=now)


@atomically
def set_allowance(batch: Batch, micro: int | None, by: User, now: datetime) -> None:
    """How much this batch may pay twice without asking; None: as the policy of the site says."""
    Batch.objects.filter(pk=batch.pk).update(risk_micro=micro)
    note = "by the policy of the site" if micro is None else f"${micro / 10**6:,.2f}"
    Decision.objects.create(
        kind=Decision.Kind.ALLOWANCE, by=by, at=now, amount_micro=micro or 0, note=f"Batch {batch.pk}: {note}"
    )
