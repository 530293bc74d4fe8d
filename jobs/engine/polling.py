"""When to ask about a job that runs at a vendor: by how long like jobs took, or late where a webhook is to come first.

Jobs are alike that make so many seconds by the same offer in one lane. What is learned of them is kept in the lane.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from itertools import chain

from jobs.models import Attempt
from providers import registry
from providers.base import Adapter
from providers.models import Lane
from providers.types import Capability, Request

from .poll_plan import MOST_POLLS, MOST_STEP_S, Plan, plan_of

FIRST_GUESS_S = 2.0  # before anything is known of a lane
FIRST_GROWTH = 0.15  # of the age: the steps after that
LEAST_STEP_S = 0.25  # between two polls of one job, on average
JITTER = 0.1
KEPT = 50  # durations of like jobs
MOST_KINDS = 20  # of like jobs, in one lane
ENOUGH_ALIKE = 5  # fewer tell less than all jobs of the lane do
LATE_SHARE = 0.1  # of its age: a poll that comes so much later than was meant tells little of the job
LOOKED_TOO_LATE = 0.97  # of the fastest: a job that had ended by its first poll may have taken even less
SHARED = 0.5  # more polls for each further job that is asked in the same call …
MOST_SHARED = 2.2  # … up to so many times as many
HOOK_S = 60.0  # to wait for the first webhook of all
HOOK_SHARE = 0.1  # of that: the wait after a webhook that came too early
HOOKS_TO_MISS = 3  # after so many jobs in a row whose webhook did not come, polls are on their own


def like(request: Request) -> str:
    return f"{request.offer}/{request.seconds:g}"


def first_poll(lane: Lane, attempt: Attempt, now: datetime, *, kind: str = "", hooked: bool = False) -> datetime:
    """When it could be done at the earliest; with a webhook to come, when nearly all are done."""
    if hooked and lane.hooks_missed < HOOKS_TO_MISS:
        return _started(attempt) + timedelta(seconds=_hooked_until_s(_plan(lane, attempt, kind)))
    return next_poll(lane, attempt, now, kind=kind)


def next_poll(
    lane: Lane, attempt: Attempt, now: datetime, *, kind: str = "", together: int = 1, hooked: bool = False
) -> datetime:
    """`together`: so many jobs were asked in one call."""
    age_s = max(0.0, (now - _started(attempt)).total_seconds())
    plan = _plan(lane, attempt, kind, together=together)
    if hooked and lane.hooks_missed < HOOKS_TO_MISS and age_s < (until_s := _hooked_until_s(plan)):
        return now + timedelta(seconds=min(until_s - age_s, max(1.0, HOOK_SHARE * until_s)))
    first_s = min(max(FIRST_GUESS_S - age_s, LEAST_STEP_S, FIRST_GROWTH * age_s), MOST_STEP_S)
    step_s = plan.next_age(age_s) - age_s if plan else first_s
    if plan is None or age_s > plan.fastest_s:
        step_s *= random.uniform(1 - JITTER, 1 + JITTER)
    return now + timedelta(seconds=step_s)


def learn(
    lane: Lane,
    attempt: Attempt,
    ended: datetime,
    *,
    kind: str = "",
    hooked: bool = False,
    due: datetime | None = None,
) -> None:
    """A job was over at this moment. It ended somewhere between the poll before and this one, which was `due` then."""
    age_s = max(0.0, (ended - _started(attempt)).total_seconds())
    if is_too_old(attempt, ended):
        return  # no job lives so long: a clock was set
    late_s = (ended - due).total_seconds() if due else 0.0
    if late_s > LATE_SHARE * age_s:
        age_s = max(0.0, age_s - late_s)  # nobody came by for long: it did not take that long
    plan = _plan(lane, attempt, kind)
    if hooked and lane.hooks_missed < HOOKS_TO_MISS:
        if age_s >= _hooked_until_s(plan):
            lane.hooks_missed += 1
            return  # nobody had asked before: it may have ended at any time
        seconds = age_s
    else:
        seconds = _between(plan, age_s)
    kinds = lane.durations
    kinds[kind] = [*kinds.pop(kind, ()), round(seconds, 3)][-KEPT:]
    while len(kinds) > MOST_KINDS:
        del kinds[next(iter(kinds))]
    known = list(chain(*kinds.values()))
    lane.fastest_s, lane.slowest_s = min(known), max(known)


def _between(plan: Plan | None, age_s: float) -> float:
    if plan is None:
        return age_s / (1 + FIRST_GROWTH / 2)
    before_s = age_s - plan.gap_before(age_s)
    if before_s <= plan.fastest_s:
        return min(age_s, LOOKED_TOO_LATE * plan.fastest_s)
    return (before_s + age_s) / 2


def _hooked_until_s(plan: Plan | None) -> float:
    return plan.slowest_s if plan else HOOK_S


def keep(lane: Lane) -> None:
    Lane.objects.filter(pk=lane.pk).update(
        durations=lane.durations,
        fastest_s=lane.fastest_s,
        slowest_s=lane.slowest_s,
        hooks_missed=lane.hooks_missed,
    )


def _plan(lane: Lane, attempt: Attempt, kind: str, *, together: int = 1) -> Plan | None:
    alike = lane.durations.get(kind, ())
    if len(alike) < ENOUGH_ALIKE:
        alike = [seconds for others in lane.durations.values() for seconds in others][-KEPT:]
    if len(alike) < ENOUGH_ALIKE:
        alike = [*alike, *_usual(attempt)]
    more = min(MOST_SHARED, 1 + SHARED * (together - 1))
    return plan_of(tuple(alike), least_step_s=LEAST_STEP_S / together, most_polls=MOST_POLLS * more)


def _usual(attempt: Attempt) -> list[float]:
    """What the adapter says, evenly, as if that had been seen."""
    usual = _adapter(attempt).usual_s.get(Capability(attempt.capability))
    return [usual[0] + (usual[1] - usual[0]) * share for share in (0.1, 0.3, 0.5, 0.7, 0.9)] if usual else []


def is_too_old(attempt: Attempt, now: datetime) -> bool:
    return now > _started(attempt) + max_age(attempt)


def max_age(attempt: Attempt) -> timedelta:
    return timedelta(seconds=_adapter(attempt).max_age_s)


def _adapter(attempt: Attempt) -> type[Adapter]:
    return registry.all_adapters().get(attempt.provider.slug, Adapter)


def _started(attempt: Attempt) -> datetime:
    return attempt.on_wire_at or attempt.sent_at
