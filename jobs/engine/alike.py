"""Lost answers of vendors where nothing carries our tag: jobs that look like ours are shared out one to one.

Several attempts may share one fingerprint, and as many jobs of theirs as were accepted. The attempts are
interchangeable: each that asks takes the oldest job nobody has; for whom none is left, it was not sent. A job more than
there are attempts is a stranger's: nobody takes it, and people are told.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from jobs import ledger
from jobs.models import Attempt, Notice
from jobs.states import State
from providers import registry
from providers.models import Provider
from providers.types import RemoteJob

from .calls import Answer
from .requests import request_of

log = logging.getLogger(__name__)
Outcome = Attempt.Outcome


@dataclass(frozen=True, slots=True)
class Share:
    """Whose turn it is to take which job."""

    external_id: str = ""  # "": there is none for it
    must_wait: bool = False  # a job may be that of one being sent just now, or one of which nobody can tell any more


def lock_vendors(answers: Iterable[Answer]) -> None:
    """Two that ask at the same moment take no job twice. Before the steps: providers come first in the lock order."""
    slugs = {answer.ticket.slug for answer in answers if not registry.get(answer.ticket.slug).tagged}
    if slugs:
        list(Provider.objects.select_for_update(no_key=True).filter(slug__in=slugs).order_by("pk"))


def share_of(attempt: Attempt, answer: Answer, now: datetime) -> Share:
    twins = _twins(attempt, answer)
    if any(twin.outcome == Outcome.NONE for twin in twins):
        return Share(must_wait=True)
    left = _left_over(attempt.provider_id, answer.alike)
    ours = [job for job in left if job.fingerprint is not None]
    if strangers := ours[1 + len(twins) :]:
        _tell(attempt.provider, strangers, now)
    if not ours:
        return Share(must_wait=bool(left))
    return Share(external_id=ours[0].external_id)


def _twins(attempt: Attempt, answer: Answer) -> list[Attempt]:
    """Other attempts of which nothing is known yet, and which the vendor's listing cannot tell from this one."""
    fingerprint_of = registry.get(answer.ticket.slug).fingerprint_of
    mine = fingerprint_of(answer.ticket.request)
    open_ones = Attempt.objects.filter(
        step__provider=attempt.provider_id,
        step__state__in=(State.CLAIMED, State.UNKNOWN, State.ATTENTION),
        capability=attempt.capability,
        outcome__in=(Outcome.NONE, Outcome.UNKNOWN),
    ).exclude(pk=attempt.pk)
    found = open_ones.select_related("step__offer")
    return [twin for twin in found if fingerprint_of(request_of(twin.step)) == mine]


def _left_over(provider_id: int, jobs: Iterable[RemoteJob]) -> list[RemoteJob]:
    jobs = sorted(jobs, key=lambda job: (job.created_at, job.external_id))
    ids = [job.external_id for job in jobs]
    taken = set(Attempt.objects.filter(provider=provider_id, external_id__in=ids).values_list("external_id", flat=True))
    taken |= ledger.jobs_of_no_step(provider_id, ids)
    return [job for job in jobs if job.external_id not in taken]


def _tell(provider: Provider, strangers: list[RemoteJob], now: datetime) -> None:
    ids = ", ".join(job.external_id for job in strangers[:5])
    text = f"{provider} has jobs that look like ours and are more than we sent: somebody else uses the account ({ids})."
    if Notice.objects.get_or_create(text=text[:300], defaults={"at": now})[1]:
        log.error(text)
