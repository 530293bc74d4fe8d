"""Whether anybody does the work, as far as the pages can see."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Max, Q

from jobs.models import Step, Worker
from jobs.states import State

UNSEEN = timedelta(seconds=20)
MEDIA = "this_machine"  # the provider of what this installation does itself
WORDS = {"generation": "No worker is running.", "media": "No media worker is running: nothing is checked or rendered."}


def missing_worker(now: datetime) -> str:
    """The sentence about a role that has work to do and was not seen for 20 s; "" when all is well."""
    seen = dict(Worker.objects.filter(ended_at=None).values_list("role").annotate(at=Max("seen_at")).order_by())
    for role, sentence in WORDS.items():
        at = seen.get(role)
        if (at is None or now - at > UNSEEN) and _is_due(role, now):
            return f"{sentence} Start one with make run."
    return ""


def _is_due(role: str, now: datetime) -> bool:
    here = Q(provider__slug=MEDIA)
    begun = Q(state__in=(State.CLAIMED, State.RUNNING, State.UNKNOWN))
    ready = Q(state=State.READY, batch__paused_at=None)
    if role == "generation":
        mine = (begun | ready) & ~here | Q(state=State.FETCHING)
    else:
        mine = (begun | ready) & here | Q(state=State.CHECKING)
    return Step.objects.filter(mine, not_before__lte=now).exists()
