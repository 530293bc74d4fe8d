"""What the supervisor asks from outside: is there work, is it driven, and the queue of wake-ups."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django_q.brokers import get_broker

from jobs.models import Attempt, BulkJob, Step, Video, Worker
from jobs.states import State
from providers import registry
from providers.models import Provider

from . import worker
from .roles import GENERATION, MEDIA_SLUG
from .wake_ups import queue_errors

log = logging.getLogger(__name__)
RECENTLY = timedelta(seconds=10)


def work_is_due(role: str, now: datetime) -> bool:
    """True when a drive of this role could move something just now."""
    if Video.objects.filter(needs_advance=True).exists():
        return True
    here = Q(provider__slug=MEDIA_SLUG)
    due = Step.objects.filter(not_before__lte=now)
    if role == GENERATION:
        called = Q(state__in=(State.READY, State.CLAIMED, State.RUNNING, State.UNKNOWN)) & ~here
        jobs = BulkJob.objects.filter(next_at__lte=now)  # one whose lines are all booked has no step that is due
        return due.filter(called | Q(state=State.FETCHING)).exists() or jobs.exists()
    return due.filter(Q(state=State.CHECKING) | Q(state__in=(State.READY, State.CLAIMED)) & here).exists()


def last_seen(role: str) -> datetime | None:
    """When a drive of this role was last seen here; one that drains counts, and none that has ended: its clock may have
    been ahead."""
    return _alleged(role).order_by("-seen_at").values_list("seen_at", flat=True).first()


def is_driven(role: str, now: datetime) -> bool:
    return Worker.objects.filter(role=role, ended_at=None, seen_at__gt=now - RECENTLY).exists()


def bury_dead(role: str, now: datetime) -> int:
    """Marks drives of this installation that died without a word as ended; how many."""
    dead = [row.pk for row in _alleged(role) if worker.is_dead(str(row.pk))]
    return Worker.objects.filter(pk__in=dead, ended_at=None).update(ended_at=now) if dead else 0


def last_fallen(role: str) -> datetime | None:
    """When the last drive here ended that called no successor: it died, or broke off by an error."""
    fallen = Worker.objects.filter(role=role, host=worker.here(), draining=False, ended_at__isnull=False)
    return fallen.order_by("-ended_at").values_list("ended_at", flat=True).first()


def living(role: str) -> int:
    """How many drives of this role are at work here."""
    return sum(not worker.is_dead(str(row.pk)) for row in _alleged(role))


def paid_calls() -> int:
    """How many calls that cost money are being sent from here just now."""
    slugs = Provider.objects.values_list("slug", flat=True)
    paid = [slug for slug in slugs if slug in registry.all_adapters() and not registry.get(slug).local]
    elsewhere = Worker.objects.filter(ended_at=None).exclude(host=worker.here()).values("pk")
    sending = Attempt.objects.filter(outcome=Attempt.Outcome.NONE, step__state=State.CLAIMED, bulk=None)
    return sending.filter(provider__slug__in=paid).exclude(step__owner__in=elsewhere).count()


def _alleged(role: str) -> QuerySet[Worker]:
    return Worker.objects.filter(role=role, host=worker.here(), ended_at=None)


def queued(role: str) -> int:
    """Wake-ups that no cluster has taken yet; a queue that does not answer has none."""
    try:
        return int(get_broker(role).queue_size())
    except queue_errors():
        return 0


def clear_queue(role: str) -> None:
    """Wake-ups of an earlier life would pile up; also those that its clusters had taken."""
    try:
        get_broker(role).delete_queue()
    except queue_errors() as error:
        log.warning("%s: the queue does not answer: %s", role, error)
