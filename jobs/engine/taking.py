"""Work without money is taken, not claimed: one guarded update, no attempt, places counted by the process."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import F

from jobs.models import Attempt, Step, Worker
from jobs.prepared import any_of, change, question
from jobs.states import State
from jobs.transactions import atomically, forgettably
from providers import registry
from providers.models import Lane, Provider

from . import hooks, put_right
from .poll_plan import STEP_SHARE
from .polling import is_too_old
from .requests import Ticket, request_of
from .rows import in_state, light, offers, vendors

log = logging.getLogger(__name__)
FETCH_LEASE_S = 900.0
CHECK_LEASE_S = 900.0
POLL_HANDED_OUT_S = 70.0  # longer than a call takes, of a vendor that hangs: 60 s, and 5 s to connect
READ_OF_STEP = (
    "id",
    "fence",
    "stage",
    "round",
    "want",
    "offer_id",
    "provider_id",
    "lane_id",
    "not_before",
    "cancel_asked",
    "links",
)
READ_OF_ATTEMPT = ("id", "step_id", "tag", "external_id", "sent_at", "on_wire_at")
MOST_POLLED = 300  # jobs a round
CALLS_TO_END = 3  # a look, the cancel, and a look at what came of it
RIDE_S = 5.0  # at most so much before its moment a job is asked along with others


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
    in_state(ids, state).filter(owner=None).update(
        owner=worker.pk,
        fence=F("fence") + 1,
        lease_until=now + timedelta(seconds=lease_s),
        crash_count=F("crash_count") + 1,
    )
    return list(in_state(ids, state).filter(owner=worker.pk).select_related("offer", "provider"))


def fetch_tickets(steps: list[Step], now: datetime) -> list[Ticket]:
    """One of which none can be made is given back."""
    tickets = _tickets(steps)
    for step in _without(tickets, steps):
        idle = {"owner": None, "lease_until": None, "crash_count": F("crash_count") - 1}
        later = now + timedelta(seconds=POLL_HANDED_OUT_S)
        Step.objects.filter(pk=step.pk, fence=step.fence, state=step.state).update(not_before=later, **idle)
    return tickets


@atomically
def due_finds(slugs: list[str], most: int, now: datetime) -> list[Ticket]:
    """Lost answers to look for now. They are put off by a little while a thread asks, so that nobody else does."""
    steps = list(_due(slugs, State.UNKNOWN, now)[:most])
    _put_off(steps, State.UNKNOWN, now)
    latest = _latest_attempts(steps)
    for step in steps:
        latest[step.pk].external_id = hooks.job_named(latest[step.pk])
    off_by = put_right.off_by(now) if steps else timedelta()
    return [replace(ticket, off_by=off_by) for ticket in _made(steps, latest)]


@forgettably
def due_polls(
    slugs: list[str], most: int, now: datetime, *, ages: bool = True, each: Mapping[str, int] | None = None
) -> list[list[Ticket]]:
    """Jobs to ask about now, put off as above: in so many calls at most, several in one where the vendor lists them.
    `each`: so many calls of a provider, where that is fewer. What another drive looks through right now is left to it:
    all wake at the moment a job is due.

    Without `ages` none is too old: the clock jumped lately. Nor is one that was to be asked before it was: nobody may
    have come by since then, and it may have ended long ago.
    """
    steps = {step.pk: step for step in _due_or_riding(slugs, now)}
    by_call: list[list[Ticket]] = []
    filling: dict[str, list[Ticket]] = {}
    left = Counter(each or dict.fromkeys(slugs, most))
    tickets = _tickets(list(steps.values()), ages=ages)
    for ticket in tickets:
        most_listed = registry.get(ticket.slug).can_list
        group = filling.get(ticket.slug)
        if group is not None and not ticket.cancel and len(group) < most_listed:
            group.append(ticket)
        elif steps[ticket.step_id].not_before <= now and left[ticket.slug] > 0:
            left[ticket.slug] -= 1
            by_call.append([ticket])
            if not ticket.cancel and most_listed > 1:
                filling[ticket.slug] = by_call[-1]
    del by_call[most:]
    is_ended = {ticket.step_id: ticket.cancel for group in by_call for ticket in group}
    due = [step for step in steps.values() if step.pk in is_ended and step.not_before <= now]
    unasked = _without(tickets, steps.values())
    _put_off([step for step in due if not is_ended[step.pk]] + unasked, State.RUNNING, now)
    _put_off([step for step in due if is_ended[step.pk]], State.RUNNING, now, calls=CALLS_TO_END)
    return by_call


def _due_or_riding(slugs: list[str], now: datetime) -> list[Step]:
    """By the moment they are due. Where one call asks about many jobs, those that are due a step later ride along."""
    listing = [slug for slug in slugs if registry.get(slug).can_list > 1]
    lanes = Lane.objects.filter(provider__slug__in=listing).values_list("pk", "slowest_s")
    rides = {lane: timedelta(seconds=min(RIDE_S, STEP_SHARE * (slowest_s or 0.0))) for lane, slowest_s in lanes}
    soon = now + max(rides.values(), default=timedelta())
    found = light(Step, READ_OF_STEP, _running(slugs, soon), {"offer": offers, "provider": vendors})
    return [step for step in found if step.not_before <= now + rides.get(step.lane_id, timedelta())]


def _due(slugs: list[str], state: State, now: datetime) -> models.QuerySet[Step]:
    due = Step.objects.select_related("offer", "provider").filter(state=state, provider__slug__in=slugs)
    due = due.filter(not_before__lte=now).order_by("not_before")
    return due.select_for_update(skip_locked=True, of=("self",))


def _put_off(steps: list[Step], state: State, now: datetime, *, calls: int = 1) -> None:
    until = now + timedelta(seconds=POLL_HANDED_OUT_S * calls)
    _due_at([step.pk for step in steps], state, until)


def _tickets(steps: list[Step], *, ages: bool = False) -> list[Ticket]:
    return _made(steps, _latest_attempts(steps), ages=ages)


def _made(steps: list[Step], latest: dict[int, Attempt], *, ages: bool = False) -> list[Ticket]:
    tickets: list[Ticket] = []
    for step in steps:
        try:
            tickets.append(_ticket(step, latest[step.pk], ages=ages))
        except Exception:  # of one offer or step: the others go on
            log.exception("step %s: no request can be made of it", step.pk)
    return tickets


def _without(tickets: list[Ticket], steps: Iterable[Step]) -> list[Step]:
    made = {ticket.step_id for ticket in tickets}
    return [step for step in steps if step.pk not in made]


def _latest_attempts(steps: list[Step]) -> dict[int, Attempt]:
    rows = _attempts_of([step.pk for step in steps])
    return {attempt.step_id: attempt for attempt in light(Attempt, READ_OF_ATTEMPT, rows)}


@question
def _running(slugs: Any, until: Any) -> Any:
    mine = Provider.objects.filter(slug__in=slugs)  # not joined: their rows would be locked, too
    running = Step.objects.filter(state=State.RUNNING, provider__in=mine, not_before__lte=until)
    running = running.order_by("not_before").select_for_update(skip_locked=True)
    return running.values_list(*READ_OF_STEP)[:MOST_POLLED]


@question
def _attempts_of(steps: Any) -> Any:
    return Attempt.objects.filter(any_of("step", steps)).order_by("no").values_list(*READ_OF_ATTEMPT)


@change
def _due_at(ids: Any, state: Any, until: Any) -> Any:
    return in_state(ids, state), {"not_before": until}


def _ticket(step: Step, attempt: Attempt, *, ages: bool = False) -> Ticket:
    attempt.provider = step.provider
    too_old = ages and is_too_old(attempt, step.not_before)
    return Ticket(
        step_id=step.pk,
        fence=step.fence,
        stage=step.stage,
        slug=step.provider.slug,
        request=request_of(step, tag=attempt.tag),
        options=step.provider.options,
        attempt_id=attempt.pk,
        external_id=attempt.external_id,
        cancel=step.cancel_asked or too_old,
        too_old=too_old,
        sent_at=attempt.sent_at,
        due_at=step.not_before,
        links=tuple(step.links),
    )
