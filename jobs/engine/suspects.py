"""Steps that once ended the process that worked on them: such a step is worked on with nothing beside it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

from django.db.models import F, Q

from jobs.models import Step
from jobs.states import State

LOOK_EVERY_S = 2.0  # among all that are idle; as often as any are freed
TRY_EVERY_S = 2.0  # one that finds no room, while nothing has to wait for it
EMPTY_AGAIN_S, EMPTY_AGAIN_MOST_S = 60.0, 960.0  # … and until the pool is emptied for it once more, longer each time


class Suspects:
    """`taken`: the state of those that a drive of this role takes up besides those that are ready."""

    def __init__(self, taken: State, is_mine: Callable[[str], bool]) -> None:
        self.taken, self.is_mine = taken, is_mine
        self.found: list[tuple[str, str]] = []
        self._ready: dict[str, list[int]] = {}  # provider -> its steps among those that were found
        self._in_vain: dict[int, tuple[datetime, float]] = {}  # step -> (when to empty the pool again, after so long)
        self._tried: dict[str, datetime] = {}  # provider -> the last time, in vain
        self._looked = float("-inf")

    def look(self, now: datetime, *, is_idle: bool = False) -> list[tuple[str, str]]:
        """While there are none it is enough to look now and then: nobody else may take them up beside others.

        `is_idle`: nothing is at work, so that nothing has to wait for them.
        """
        if self.found or monotonic() - self._looked > LOOK_EVERY_S:
            self._looked = monotonic()
            self.found = self._among_idle(now, is_idle=is_idle)
        return self.found

    def _among_idle(self, now: datetime, *, is_idle: bool) -> list[tuple[str, str]]:
        """(state, provider) of idle steps of this role that once ended the process that worked on them.

        One that may not start (paused, behind a gate, no place) is none: nothing beside it has to wait for it.
        """
        idle = Step.objects.filter(crash_count__gt=0, owner=None, not_before__lte=now)
        may_start = idle.filter(
            *(_is_past(f"{name}_until", now) for name in ("provider__paused", "lane__paused", "lane__broken")),
            state=State.READY,
            provider__enabled=True,
            provider__paused=False,
            lane__paused=False,
            batch__paused_at=None,
            batch__cancelled_at=None,
            video__cancelled_at=None,
            lane__bulk=False,
            gate__lte=F("batch__open_gate"),
        ).exclude(lane__max_in_flight=0)
        ready: dict[str, list[int]] = defaultdict(list)
        for step, slug in may_start.values_list("pk", "provider__slug").order_by("provider__slug"):
            if self.is_mine(slug) and (self._is_due(step, now) or (is_idle and self._may_try(slug, now))):
                ready[slug].append(step)
        self._ready = ready
        suspects = [(State.READY.value, slug) for slug in ready]
        if idle.filter(state=self.taken).exists():
            suspects.insert(0, (self.taken.value, ""))
        return suspects

    def _is_due(self, step: int, now: datetime) -> bool:
        return step not in self._in_vain or self._in_vain[step][0] <= now

    def _may_try(self, slug: str, now: datetime) -> bool:
        return slug not in self._tried or self._tried[slug] + timedelta(seconds=TRY_EVERY_S) <= now

    def tried_in_vain(self, slug: str, now: datetime) -> None:
        """No room for any that is ready at this provider. By chance a little later, lest it be in vain each time by
        the rhythm of a quota that others use up."""
        self._tried[slug] = now
        for step in filter(lambda step: self._is_due(step, now), self._ready.get(slug, ())):
            _, waited_s = self._in_vain.get(step, (now, EMPTY_AGAIN_S / 2))
            wait_s = min(2 * waited_s, EMPTY_AGAIN_MOST_S)
            self._in_vain[step] = (now + timedelta(seconds=wait_s * random.uniform(1, 1.5)), wait_s)


def _is_past(field: str, now: datetime) -> Q:
    return Q(**{field: None}) | Q(**{f"{field}__lte": now})
