"""Once an hour every vendor's listing is held against our attempts: a job that no step waits for is an orphan.

Such a job should not be. It comes from a machine that slept between its last look at the clock and the send, from an
account that somebody else uses, or from an error of ours. It can be found, not prevented: it is booked and told, once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Min, Q, QuerySet

from jobs import ledger
from jobs.models import Attempt, Chore
from jobs.states import Reason, State
from jobs.transactions import atomically
from providers import registry
from providers.base import Adapter
from providers.models import Price, Provider
from providers.types import JobState, RemoteJob, Request

from . import books, late, put_right
from .calls import Answer
from .requests import CLOCK_SKEW, Ticket

log = logging.getLogger(__name__)
EVERY = timedelta(hours=1)
OVERLAP = timedelta(hours=3)  # longer than a job may run: it is looked at again when it has ended
MOST_BACK = timedelta(days=7)
AT_ONCE = 500
Outcome = Attempt.Outcome
LOOKED_FOR = Q(outcome__in=(Outcome.NONE, Outcome.UNKNOWN), step__state__in=(State.CLAIMED, State.UNKNOWN))
WAITS_FOR_A_PERSON = Q(outcome=Outcome.UNKNOWN, step__state=State.ATTENTION, step__reason=Reason.DECISION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A listing that is due."""

    ticket: Ticket
    since: datetime
    until: datetime


def due(now: datetime) -> list[Sweep]:
    """Of providers that can list their jobs and were asked for one; whoever asks first in an hour does it."""
    able = {slug: adapter for slug, adapter in registry.all_adapters().items() if adapter.has_listing()}
    found = []
    for provider in Provider.objects.filter(slug__in=able, enabled=True).order_by("pk"):
        first = Attempt.objects.filter(provider=provider).aggregate(at=Min("sent_at"))["at"]
        if first and Chore.take(f"sweep {provider.slug}", EVERY, now):
            found.append(_sweep(provider, able[provider.slug], first, now))
    return found


def _sweep(provider: Provider, adapter: type[Adapter], first: datetime, now: datetime) -> Sweep:
    """From a while before the last one ended; never from before our first attempt: that cannot be ours."""
    last = Chore.objects.filter(name=_ended(provider.slug)).values_list("done_at", flat=True).first() or first
    request = Request(capability=sorted(adapter.capabilities)[0], offer="", prompt="")
    ticket = Ticket(step_id=0, fence=0, stage="", slug=provider.slug, request=request, options=provider.options)
    return Sweep(ticket=ticket, since=max(last - OVERLAP, first - CLOCK_SKEW, now - MOST_BACK), until=now + CLOCK_SKEW)


def _ended(slug: str) -> str:
    return f"swept {slug}"


def settle(answer: Answer, now: datetime) -> None:
    """What a listing said. One that failed is asked for again in an hour, and then from where the last one ended."""
    slug = answer.ticket.slug
    if answer.error is not None or answer.failed is not None:
        log.warning("%s could not be swept: %s", slug, answer.error or answer.failed)
        return
    try:
        provider = Provider.objects.get(slug=slug)
        all_told = True
        for begin in range(0, len(answer.alike), AT_ONCE):
            for job, attempt in _matched(provider, answer.alike[begin : begin + AT_ONCE]):
                all_told &= _settle(provider, job, attempt, now)
        if all_told:  # else the next one begins where this one did
            Chore.objects.update_or_create(name=_ended(slug), defaults={"done_at": now})
    except DatabaseError:
        raise
    except Exception:  # a listing is nobody's work: nothing has to wait for it
        log.exception("%s could not be swept", slug)


def _matched(provider: Provider, jobs: Iterable[RemoteJob]) -> Iterator[tuple[RemoteJob, Attempt | None]]:
    """Jobs that are over and may be billed, each with the attempt whose id or tag it carries."""
    over = [job for job in jobs if job.state != JobState.RUNNING and (job.billed or job.state == JobState.FINISHED)]
    mine = Attempt.objects.filter(provider=provider).select_related("price", "provider", "step__batch", "step__video")
    by_id = {a.external_id: a for a in mine.filter(external_id__in=[job.external_id for job in over])}
    by_tag = {a.tag: a for a in mine.filter(tag__in=[job.tag for job in over if job.tag])}
    for job in over:
        yield job, by_id.get(job.external_id) or by_tag.get(job.tag)


def _settle(provider: Provider, job: RemoteJob, attempt: Attempt | None, now: datetime) -> bool:
    """False when nobody can say yet whose it is."""
    if attempt is None:
        if ledger.jobs_of_no_step(provider.pk, [job.external_id]):
            return True
        if not registry.get(provider.slug).tagged:
            nameless = _nameless(provider, job)
            near = nameless.filter(sent_at__range=_when(provider, job, now))
            if near.filter(LOOKED_FOR).exists() or nameless.filter(WAITS_FOR_A_PERSON).exists():
                return False
            if lost := near.filter(outcome=Outcome.UNKNOWN).select_related("step", "provider").first():
                late.found(lost, job, now)  # its money is at risk: it is spent
                return True
            if _is_paid_for(provider, near, job):
                return True
        atomically(late.book_orphan)(provider, job.external_id, _most(provider, job, now), now)
    elif attempt.external_id == job.external_id or attempt.outcome == Outcome.NONE:
        pass
    elif attempt.outcome == Outcome.UNKNOWN:
        late.found(attempt, job, now)
    elif attempt.external_id or not attempt.cost_micro:  # a second job of one attempt, or one that was "not sent"
        micro = books.billed(attempt, dict(job.units)) if job.units else attempt.reserved_micro
        atomically(late.book_orphan)(provider, job.external_id, micro, now, attempt=attempt)
    return True


def _nameless(provider: Provider, job: RemoteJob) -> QuerySet[Attempt]:
    """Attempts that know of no job: it may be that of one of them."""
    found = Attempt.objects.filter(provider=provider, external_id="").order_by("sent_at", "pk")
    return found.filter(capability=job.capability) if job.capability else found


def _when(provider: Provider, job: RemoteJob, now: datetime) -> tuple[datetime, datetime]:
    """From when to when what was made so may have been sent."""
    adapter = registry.get(provider.slug)
    around = CLOCK_SKEW + put_right.off_by(now)
    longest = timedelta(seconds=max(map(adapter.deadline_of, adapter.capabilities)))
    return job.created_at - longest - around, job.created_at + around


@atomically
def _is_paid_for(provider: Provider, near: QuerySet[Attempt], job: RemoteJob) -> bool:
    """A person has said that a call happened, and named no job: the first that may be meant is that one."""
    if Attempt.objects.filter(provider=provider, external_id=job.external_id).exists():  # since the listing was matched
        return True
    paid = near.filter(outcome__in=(Outcome.ADOPTED, Outcome.GIVEN_UP), cost_micro__gt=0).first()
    if paid is None:
        return False
    with suppress(IntegrityError), transaction.atomic():  # somebody else may give it away at the same moment
        Attempt.objects.filter(pk=paid.pk, external_id="").update(external_id=job.external_id)
    return True


def _most(provider: Provider, job: RemoteJob, now: datetime) -> int:
    """What a job of unknown order can have cost: by the dearest price that may be meant."""
    prices = (price for price in books.valid_prices(provider.pk, now) if _may_be_meant(price, job))
    return max((books.cost(price, dict(job.units)) for price in prices), default=0)


def _may_be_meant(price: Price, job: RemoteJob) -> bool:
    return job.capability is None or price.capability in ("", job.capability)
