"""Work due and nobody driving: first a wake-up, then a new cluster. Both are said on the pages."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from django.db import Error as DatabaseTrouble
from django.db import close_old_connections
from django.utils import timezone

from jobs.engine import watch
from jobs.models import Notice
from jobs.tasks import enqueue

log = logging.getLogger(__name__)
WAKE_AFTER_S = 15.0
RESTART_AFTER_S = 30.0
NOT_ASKED = datetime.min


class Watchdog:
    """Watches one role. Counts silence by its own clock, so a wall clock that jumps restarts nothing."""

    def __init__(self, role: str, *, restart: Callable[[], None], tick: Callable[[], float] = monotonic) -> None:
        self.role, self.restart, self.tick = role, restart, tick
        self._seen: datetime | None = None
        self._quiet_since = tick()
        self._woken = self._lived = False
        self._fallen: datetime | None = NOT_ASKED

    def look(self) -> None:
        """Call it every second or two. A database that does not answer just now is no reason to restart anything."""
        try:
            close_old_connections()
            self._look(timezone.now())
        except DatabaseTrouble as error:
            log.warning("%s: the database does not answer: %s", self.role, error)
            self._start_over()

    def _look(self, now: datetime) -> None:
        died, lived, fallen = watch.bury_dead(self.role, now), self._lived, self._fallen
        self._lived, self._fallen = watch.living(self.role) > 0, watch.last_fallen(self.role)
        # Its end may also have been noted by a drive of the other role, even before anybody here saw it live.
        if died or (lived and not self._lived) or (fallen is not NOT_ASKED and fallen != self._fallen):
            log.warning("%s: a drive ended without a successor; another one is called", self.role)
            self._wake()
        seen = watch.last_seen(self.role)
        if seen != self._seen or not watch.work_is_due(self.role, now):
            self._seen = seen
            self._start_over()
            return
        quiet_s = self.tick() - self._quiet_since
        if quiet_s >= RESTART_AFTER_S:
            self._say(f"The {self.role} cluster did not answer for {quiet_s:.0f} s and was started anew.")
            self.restart()
            self._start_over()
        elif quiet_s >= WAKE_AFTER_S and not self._woken:
            self._say(f"Nobody worked on {self.role} for {quiet_s:.0f} s; it was woken.")
            self._wake()
            self._woken = True

    def _start_over(self) -> None:
        self._quiet_since, self._woken = self.tick(), False

    def _wake(self) -> None:
        if not watch.queued(self.role):
            enqueue(self.role)

    def _say(self, text: str) -> None:
        log.warning(text)
        Notice.objects.create(text=text)
