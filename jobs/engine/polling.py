"""When to ask about a job that runs at a vendor: silent until it could be done, then in small steps."""

from __future__ import annotations

from datetime import datetime, timedelta

from jobs.models import Attempt
from providers.models import Lane

FIRST_GUESS_S = 2.0  # before anything is known of a lane
LEAST_STEP_S = 0.25
MOST_STEP_S = 60.0
STEP_SHARE = 0.02  # of the slowest duration seen
MAX_AGE = timedelta(hours=2)


def first_poll(lane: Lane, attempt: Attempt, now: datetime) -> datetime:
    """At the fastest duration seen in this lane."""
    return (attempt.on_wire_at or now) + timedelta(seconds=lane.fastest_s or FIRST_GUESS_S)


def next_poll(lane: Lane, attempt: Attempt, now: datetime) -> datetime:
    """In steps of 2 % of the slowest duration seen; beyond one and a half times it, ever rarer."""
    slowest = lane.slowest_s or FIRST_GUESS_S * 10
    age = (now - (attempt.on_wire_at or attempt.sent_at)).total_seconds()
    step = max(LEAST_STEP_S, slowest * STEP_SHARE)
    if age > slowest * 1.5:
        step = max(step, age * 0.1)
    return now + timedelta(seconds=min(step, MOST_STEP_S))


def learn(lane: Lane, seconds: float) -> None:
    """A job took so long. Extremes fade slowly, so that one odd job is not remembered for ever."""
    fastest = seconds if lane.fastest_s is None else min(seconds, lane.fastest_s + 0.02 * (seconds - lane.fastest_s))
    slowest = seconds if lane.slowest_s is None else max(seconds, lane.slowest_s + 0.02 * (seconds - lane.slowest_s))
    lane.fastest_s, lane.slowest_s = max(fastest, 0.0), slowest
    Lane.objects.filter(pk=lane.pk).update(fastest_s=lane.fastest_s, slowest_s=lane.slowest_s)


def is_too_old(attempt: Attempt, now: datetime) -> bool:
    return now > (attempt.on_wire_at or attempt.sent_at) + MAX_AGE
