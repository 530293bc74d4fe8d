"""Work without money is taken, not claimed: one guarded update, no attempt, places counted by the process."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import chain

from django.db import models
from django.db.models import F, Max

from jobs.models import Attempt, Step, Worker
from jobs.states import State
from jobs.transactions import atomically
from providers import registry
from providers.models import Lane

from .poll_plan import STEP_SHARE
from .polling import is_too_old
from .requests import Ticket, request_of

FETCH_LEASE_S = 900.0
CHECK_LEASE_S = 900.0
POLL_HANDED_OUT_S = 30.0
READ_OF_ATTEMPT = ("step", "no", "tag", "external_id", "sent_at", "on_wire_at")
MOST_POLLED = 500  # jobs a round


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


def fetch_tickets(steps: list[Step], now: datetime) -> list[Ticket]:
    return _tickets(steps, now)


@atomically
def due_finds(slugs: list[str], most: int, now: datetime) -> list[Ticket]:
    """Lost answers to look for now. They are put off by a little while a thread asks, so that nobody else does."""
    steps = list(_due(slugs, State.UNKNOWN, now)[:most])
    _put_off(steps, State.UNKNOWN, now)
    return _tickets(steps, now)


@atomically
def due_polls(slugs: list[str], most: int, now: datetime) -> list[list[Ticket]]:
    """Jobs to ask about now, put off as above: in so many calls at most, several in one where the vendor lists them."""
    steps = {step.pk: step for step in _due(slugs, State.RUNNING, now)[:MOST_POLLED]}
    by_call: list[list[Ticket]] = []
    filling: dict[str, list[Ticket]] = {}
    for ticket in _tickets(list(steps.values()), now):
        group = filling.get(ticket.slug)
        if group is not None and not ticket.cancel and len(group) < registry.get(ticket.slug).can_list:
            group.append(ticket)
            continue
        by_call.append([ticket])
        if not ticket.cancel and registry.get(ticket.slug).can_list > 1:
            filling[ticket.slug] = by_call[-1]
    del by_call[most:]
    _put_off([steps[ticket.step_id] for ticket in chain(*by_call)], State.RUNNING, now)
    for group in by_call:
        if group is filling.get(group[0].slug):
            riders = _riders([steps[ticket.step_id] for ticket in group], now)
            group += [ticket for ticket in _tickets(riders, now) if not ticket.cancel]
    return by_call


def _riders(group: list[Step], now: datetime) -> list[Step]:
    """Jobs that are due a step later are asked in the same call: it costs no more."""
    room = registry.get(group[0].provider.slug).can_list - len(group)
    slowest_s = Lane.objects.filter(pk__in={step.lane_id for step in group}).aggregate(s=Max("slowest_s"))["s"] or 0.0
    soon = now + timedelta(seconds=slowest_s * STEP_SHARE)
    others = Step.objects.filter(state=State.RUNNING, provider=group[0].provider_id, cancel_asked=False)
    others = others.select_related("offer", "provider").filter(not_before__gt=now, not_before__lte=soon)
    return list(others.order_by("not_before")[:room])


def _due(slugs: list[str], state: State, now: datetime) -> models.QuerySet[Step]:
    due = Step.objects.select_related("offer", "provider").filter(state=state, provider__slug__in=slugs)
    return due.filter(not_before__lte=now).order_by("not_before")


def _put_off(steps: list[Step], state: State, now: datetime) -> None:
    until = now + timedelta(seconds=POLL_HANDED_OUT_S)
    Step.objects.filter(pk__in=[step.pk for step in steps], state=state).update(not_before=until)


def _tickets(steps: list[Step], now: datetime) -> list[Ticket]:
    latest = _latest_attempts(steps)
    return [_ticket(step, latest[step.pk], now) for step in steps]


def _latest_attempts(steps: list[Step]) -> dict[int, Attempt]:
    rows = Attempt.objects.filter(step__in=steps).order_by("no").only(*READ_OF_ATTEMPT)
    return {attempt.step_id: attempt for attempt in rows}


def _ticket(step: Step, attempt: Attempt, now: datetime) -> Ticket:
    attempt.provider = step.provider
    return Ticket(
        step_id=step.pk,
        fence=step.fence,
        stage=step.stage,
        slug=step.provider.slug,
        request=request_of(step, tag=attempt.tag),
        options=step.provider.options,
        attempt_id=attempt.pk,
        external_id=attempt.external_id,
        cancel=step.cancel_asked or is_too_old(attempt, now),
        sent_at=attempt.sent_at,
        links=tuple(step.links),
    )
