"""Steps that once ended the process that worked on them: such a step is worked on with nothing beside it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

from django.db.models import F

from jobs.models import Step
from jobs.states import State

LOOK_EVERY_S = 2.0  # among all that are idle; as often as any are freed
TRY_EVERY_S = 2.0  # one that finds no room must not empty the pool all the time


class Suspects:
    """`taken`: the state of those that a drive of this role takes up besides those that are ready."""

    def __init__(self, taken: State, is_mine: Callable[[str], bool]) -> None:
        self.taken, self.is_mine = taken, is_mine
        self.found: list[tuple[str, str]] = []
        self._retry_at: dict[str, datetime] = {}
        self._looked = float("-inf")

    def look(self, now: datetime) -> list[tuple[str, str]]:
        """While there are none it is enough to look now and then: nobody else may take them up beside others."""
        if self.found or monotonic() - self._looked > LOOK_EVERY_S:
            self._looked = monotonic()
            self.found = self._among_idle(now)
        return self.found

    def _among_idle(self, now: datetime) -> list[tuple[str, str]]:
        """(state, provider) of idle steps of this role that once ended the process that worked on them.

        One that may not start (paused, behind a gate, no place) is none: nothing beside it has to wait for it.
        """
        idle = Step.objects.filter(crash_count__gt=0, owner=None, not_before__lte=now)
        may_start = idle.filter(
            state=State.READY,
            batch__paused_at=None,
            batch__cancelled_at=None,
            video__cancelled_at=None,
            lane__bulk=False,
            gate__lte=F("batch__open_gate"),
        )
        slugs = [
            slug
            for slug in may_start.values_list("provider__slug", flat=True).distinct().order_by()
            if self.is_mine(slug) and self._retry_at.get(slug, now) <= now
        ]
        suspects = [(State.READY.value, slug) for slug in slugs]
        if idle.filter(state=self.taken).exists():
            suspects.insert(0, (self.taken.value, ""))
        return suspects

    def tried(self, slug: str, now: datetime) -> None:
        self._retry_at[slug] = now + timedelta(seconds=TRY_EVERY_S)
