"""Work without money is taken, not claimed: one guarded update, no attempt, places counted by the process."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F

from jobs.models import Attempt, Step, Worker
from jobs.states import State
from jobs.transactions import atomically

from .requests import Ticket, request_of

FETCH_LEASE_S = 900.0
CHECK_LEASE_S = 900.0
POLL_HANDED_OUT_S = 30.0


@atomically
def take(state: State, worker: Worker, most: int, now: datetime, *, lease_s: float, alone: bool) -> list[Step]:
    """Takes idle steps in this state: files to check by rank, links to fetch by age, because they expire.

    A step that once ended its process is taken only when `alone`, and then alone.
    """
    idle = Step.objects.filter(state=state, owner=None, not_before__lte=now)
    order = ("-batch__priority", "rank", "pk") if state == State.CHECKING else ("not_before",)
    idle = idle.filter(crash_count__gt=0)[:1] if alone else idle.filter(crash_count=0).order_by(*order)[:most]
    ids = list(idle.values_list("pk", flat=True))
    if not ids:
        return []
    Step.objects.filter(pk__in=ids, state=state, owner=None).update(
        owner=worker.pk,
        fence=F("fence") + 1,
        lease_until=now + timedelta(seconds=lease_s),
        crash_count=F("crash_count") + 1,
    )
    return list(Step.objects.select_related("offer", "provider").filter(pk__in=ids, state=state, owner=worker.pk))


def fetch_tickets(steps: list[Step]) -> list[Ticket]:
    latest = _latest_attempts(steps)
    return [_ticket(step, latest[step.pk]) for step in steps]


@atomically
def due_polls(slugs: list[str], state: State, most: int, now: datetime) -> list[Ticket]:
    """Jobs to ask about now. They are put off by a little while a thread asks, so that nobody else does."""
    steps = list(
        Step.objects.select_related("offer", "provider")
        .filter(state=state, not_before__lte=now, provider__slug__in=slugs)
        .order_by("not_before")[:most]
    )
    if not steps:
        return []
    Step.objects.filter(pk__in=[step.pk for step in steps], state=state).update(
        not_before=now + timedelta(seconds=POLL_HANDED_OUT_S)
    )
    latest = _latest_attempts(steps)
    return [_ticket(step, latest[step.pk]) for step in steps]


def _latest_attempts(steps: list[Step]) -> dict[int, Attempt]:
    rows = Attempt.objects.filter(step__in=steps).order_by("no").only("step", "no", "tag", "external_id")
    return {attempt.step_id: attempt for attempt in rows}


def _ticket(step: Step, attempt: Attempt) -> Ticket:
    return Ticket(
        step_id=step.pk,
        fence=step.fence,
        stage=step.stage,
        slug=step.provider.slug,
        request=request_of(step, tag=attempt.tag),
        options=step.provider.options,
        attempt_id=attempt.pk,
        external_id=attempt.external_id,
        cancel=step.cancel_asked,
        links=tuple(step.links),
    )
