"""When to ask about a job that runs at a vendor: by how long like jobs took, or late where a webhook is to come first.

Jobs are alike that make so many seconds by the same offer in one lane. What is learned of them is kept in the lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

from jobs.models import Attempt
from providers import registry
from providers.base import Adapter
from providers.models import Lane
from providers.types import Capability, Request

from .poll_plan import MOST_STEP_S, Plan, plan_of

FIRST_GUESS_S = 3.0  # before anything is known of a lane
FIRST_GROWTH = 0.05  # of the age: the steps after that
LEAST_STEP_S = 0.155  # between two polls of one job, on average
KEPT = 50  # durations of like jobs
MOST_KINDS = 20  # of like jobs, in one lane
ENOUGH_ALIKE = 5  # fewer tell less than all jobs of the lane do
LATE_SHARE = 0.1  # of its age: a poll that comes so much later than was meant tells little of the job
LOOKED_TOO_LATE = 0.97  # of the fastest: a job that had ended by its first poll may have taken even less
SHARED_STEP_S = 0.06  # between two calls that ask about several jobs: each costs us work, too
HOOK_S = 60.0  # to wait for the first webhook of all
HOOK_SHARE = 0.1  # of that: the wait after a webhook that came too early
HOOK_MARGIN = 1.25  # times the slowest: only then nobody waits for a webhook any longer
ROUNDED_S = 0.001  # more than moments lose in sums and in the database
PAUSE_S = 5.0  # after a poll that failed, where the vendor says nothing
MOST_POLL_PAUSE_S = 60.0  # whatever it says: the job may be over any moment, and what it made may expire
HOOKS_TO_MISS = 3  # after so many jobs in a row whose webhook did not come, polls are on their own


class Asked(NamedTuple):
    """A job, as far as it decides when to ask about it. `hooked`: its webhook is to come first."""

    lane: Lane
    attempt: Attempt
    kind: str
    hooked: bool


def like(request: Request) -> str:
    return f"{request.offer}/{request.seconds:g}"


def first_poll(lane: Lane, attempt: Attempt, now: datetime, *, kind: str = "", hooked: bool = False) -> datetime:
    """When it could be done at the earliest; with a webhook to come, when nearly all are done."""
    if hooked and lane.hooks_missed < HOOKS_TO_MISS:
        return min(_started(attempt), now) + timedelta(seconds=_hooked_until_s(_plan(lane, attempt, kind)))
    return next_poll(lane, attempt, now, kind=kind)


def next_poll(lane: Lane, attempt: Attempt, now: datetime, *, kind: str = "", hooked: bool = False) -> datetime:
    return ask_again([Asked(lane, attempt, kind, hooked)], now)


def ask_again(asked: Sequence[Asked], now: datetime) -> datetime:
    """When to ask about jobs once more that one call asked about, and that still run.

    Polls see so many jobs end soonest when their rate is the root of the squares of the rates that each job would get
    by itself: a little more often than for any of them, and far fewer calls than for all of them.
    """
    steps = [_step_s(one, now) for one in asked]
    least = min(steps)
    step_s = max(sum(step**-2 for step in steps) ** -0.5, min(least, SHARED_STEP_S))
    step_s = max(step_s, _adapter(asked[0].attempt).least_poll_s)
    return now + timedelta(seconds=step_s)


def _step_s(one: Asked, now: datetime) -> float:
    """Until this job would be asked about by itself."""
    age_s = max(0.0, (now - _started(one.attempt)).total_seconds())
    plan = _plan(one.lane, one.attempt, one.kind)
    if one.hooked and one.lane.hooks_missed < HOOKS_TO_MISS and age_s < (until_s := _hooked_until_s(plan)):
        return min(until_s - age_s, max(1.0, HOOK_SHARE * until_s))
    if plan is None:
        return min(max(FIRST_GUESS_S - age_s, LEAST_STEP_S, FIRST_GROWTH * age_s), MOST_STEP_S)
    return plan.next_age(age_s) - age_s


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
        if age_s > _hooked_until_s(plan) - ROUNDED_S:
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
    return HOOK_MARGIN * plan.slowest_s if plan else HOOK_S


def keep(lane: Lane) -> None:
    Lane.objects.filter(pk=lane.pk).update(
        durations=lane.durations,
        fastest_s=lane.fastest_s,
        slowest_s=lane.slowest_s,
        hooks_missed=lane.hooks_missed,
    )


def _plan(lane: Lane, attempt: Attempt, kind: str) -> Plan | None:
    alike = lane.durations.get(kind, ())
    if len(alike) < ENOUGH_ALIKE:
        alike = [seconds for others in lane.durations.values() for seconds in others][-KEPT:]
    if len(alike) < ENOUGH_ALIKE:
        alike = [*alike, *_usual(attempt)]
    return plan_of(tuple(alike), least_step_s=LEAST_STEP_S)


def _usual(attempt: Attempt) -> list[float]:
    """What the adapter says, evenly, as if that had been seen."""
    usual = _adapter(attempt).usual_s.get(Capability(attempt.capability))
    return [usual[0] + (usual[1] - usual[0]) * share for share in (0.1, 0.3, 0.5, 0.7, 0.9)] if usual else []


def pause_s(error: Any) -> float:
    """After a poll that failed like that."""
    return min(getattr(error, "retry_after_s", None) or PAUSE_S, MOST_POLL_PAUSE_S)


def after_failure(attempt: Attempt, error: Any, now: datetime) -> datetime:
    """When to ask again; a job that becomes too old meanwhile is asked then."""
    until, end = now + timedelta(seconds=pause_s(error)), _started(attempt) + max_age(attempt)
    return end if now < end < until else until


def is_too_old(attempt: Attempt, now: datetime) -> bool:
    return now > _started(attempt) + max_age(attempt)


def max_age(attempt: Attempt) -> timedelta:
    return timedelta(seconds=_adapter(attempt).max_age_s)


def _adapter(attempt: Attempt) -> type[Adapter]:
    return registry.all_adapters().get(attempt.provider.slug, Adapter)


def _started(attempt: Attempt) -> datetime:
    return attempt.on_wire_at or attempt.sent_at
