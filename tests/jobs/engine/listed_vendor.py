"""A vendor in memory that lists its jobs, and steps of it as they stand when an answer was lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from django.db import transaction

from jobs.engine import books, reconcile, worker
from jobs.engine.calls import Answer
from jobs.engine.claim import claim
from jobs.engine.requests import Ticket
from jobs.models import Attempt, Batch, Step, Worker
from jobs.settings_types import BatchSettings
from jobs.states import State
from providers.base import Adapter
from providers.models import Offer, Price, Provider
from providers.types import Capability, JobState, Recovery, RemoteJob, Request, Running
from tests.factories import a_batch, a_provider

PRICE = 40_000
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Listed(Adapter):
    slug = "listed"
    label = "Listed"
    capabilities = frozenset({Capability.SCRIPT})
    recovery: ClassVar = {Capability.SCRIPT: Recovery.LISTABLE}
    jobs: ClassVar[list[RemoteJob]] = []

    def find(self, tag: str) -> str | None:
        return next((job.external_id for job in self.jobs if job.tag == tag), None)

    def list_jobs(self, since: datetime, until: datetime) -> list[RemoteJob]:
        return [job for job in self.jobs if since <= job.created_at <= until]

    @classmethod
    def fingerprint_of(cls, request: Request) -> str:
        return request.prompt

    def poll(self, external_id: str) -> Running:
        return Running()


class Untagged(Listed):
    """Nothing there carries our tag."""

    tagged = False

    def find(self, tag: str) -> str | None:
        raise AssertionError("nobody asks for a tag here")


class Blind(Listed):
    """Nothing can be asked there."""

    recovery: ClassVar = {}


def a_job(external_id: str, at: datetime, *, state: JobState = JobState.FINISHED, **values) -> RemoteJob:
    return RemoteJob(external_id=external_id, created_at=at, state=state, **{"units": {"calls": 1}, **values})


def of_listed(*topics: str, micro: int = PRICE, **values) -> Batch:
    """A batch whose scripts are asked of this vendor; made long before the clocks of these tests, whatever the day."""
    provider = Provider.objects.filter(slug="listed").first() or a_provider("listed", micro=micro)
    Price.objects.update(valid_from=LONG_AGO)
    offer = Offer.objects.get(provider=provider)
    wanted = BatchSettings(offers={"script": offer.pk}, scenes=2, seconds=8, script_gate=True)
    return a_batch(*topics, settings=wanted, **{"now": LONG_AGO, **values})


def claimed(now: datetime, *, by: Worker | None = None, places: int = 10) -> list[Ticket]:
    """All that is ready, claimed by a worker of this process (or `by`)."""
    return claim("listed", by or worker.enlist("generation", now), places, lambda: now).tickets


@transaction.atomic
def lost(now: datetime, ticket: Ticket, *, state: State = State.UNKNOWN, reason: str = "") -> Attempt:
    """Its answer never came: what recovery makes of it."""
    attempt = Attempt.objects.get(pk=ticket.attempt_id)
    ended = now if state == State.ATTENTION else None
    Attempt.objects.filter(pk=attempt.pk).update(outcome="unknown", ended_at=ended)
    step = Step.objects.select_related("batch").get(pk=ticket.step_id)
    books.write([books.put_at_risk(attempt, step.batch)], now)
    Step.objects.filter(pk=step.pk).update(
        state=state, reason=reason, message="Lost." if reason else "", owner=None, lease_until=None, not_before=now
    )
    return Attempt.objects.get(pk=attempt.pk)


@transaction.atomic
def concluded_unsent(now: datetime, attempt: Attempt) -> None:
    """Two listings did not show it."""
    step = Step.objects.select_related("batch").get(pk=attempt.step_id)
    reconcile.free(step, attempt, Attempt.Outcome.NOT_SENT, "not there", now)
    Step.objects.filter(pk=step.pk).update(state=State.READY)


def answered(ticket: Ticket, now: datetime, **values) -> Answer:
    return Answer(ticket=ticket, ended_at=now + timedelta(seconds=1), **values)
