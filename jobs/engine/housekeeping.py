"""What a drive does beside its rounds: says that it lives, takes up what the dead left, advances marked videos, looks
at the disk, and by the hour or the day clears up and compares."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

from django.conf import settings
from django.db import close_old_connections

from jobs.advance import AT_ONCE, NO_PROVIDER, clear_marks, mark
from jobs.metrics.counting import close_days
from jobs.models import Chore, IntakeDraft, Notice, Step, Video, Worker
from providers import downloads

from . import budgets, hooks, put_right, recovery, rerouting, sweep

log = logging.getLogger(__name__)

RECOVER_EVERY_S = 2.0
SEEN_EVERY_S = 2.0
LOOK_EVERY_S = 60.0  # for chores that come round by the hour or the day
HOURLY, NIGHTLY = timedelta(hours=1), timedelta(days=1)
DAYS_AT_ONCE = 30  # closed in one go; an old installation has many, and whoever closes them says nothing meanwhile
MARKS_S = 1.0  # at most so long at a time for videos that were left to the drive


def _ask_again_without_a_provider() -> None:
    """A key may be there again, or a model: videos that waited for one are planned anew.

    A few at a time, by chance: each has its turn, whichever others wait in vain and however often drives begin anew.
    """
    waiting = Video.objects.filter(state=Video.State.ATTENTION, state_note__startswith=NO_PROVIDER, needs_advance=False)
    open_ones = waiting.filter(batch__finished_at=None, batch__cancelled_at=None)
    mark(open_ones.order_by("?").values_list("pk", flat=True)[:AT_ONCE])


def tell_of_full_disk(text: str, now: datetime) -> None:
    """Once an hour, whoever sees it."""
    if Chore.take("say that the disk is full", HOURLY, now):
        Notice.objects.create(at=now, text=text[:300])


class Housekeeping:
    """The chores of one drive, each at its own pace."""

    def __init__(self, worker: Worker, clock: Callable[[], datetime]) -> None:
        self.worker, self.clock = worker, clock
        self._recovered = self._seen = self._looked = float("-inf")
        self._was_full = False
        self.sweeps: list[sweep.Sweep] = []  # listings for the drive to ask for
        self.rerouted: dict[Step.GaveWay, int] = {}  # how far the looks came

    def keep(self) -> None:
        """Whatever is due of it; called once a round."""
        tick = monotonic()
        self.say_seen()
        if tick - self._recovered > RECOVER_EVERY_S:
            self._recovered = tick
            recovery.recover(self.worker, self.clock())
            if self.worker.role == settings.ROLES[0]:
                rerouting.reroute(self.clock(), self.rerouted)
            while clear_marks(self.clock()) and monotonic() - tick < MARKS_S:
                pass
        if tick - self._looked > LOOK_EVERY_S:
            self._looked = tick
            self._compare_sums()
            if self.worker.role == settings.ROLES[0]:
                _ask_again_without_a_provider()
                self.sweeps += sweep.due(self.clock())
            else:  # it has no vendor to be in time for
                self._clear_up()

    def say_seen(self) -> None:
        tick = monotonic()
        if tick - self._seen > SEEN_EVERY_S:
            self._seen = tick
            close_old_connections()
            Worker.objects.filter(pk=self.worker.pk).update(seen_at=self.clock())

    def _compare_sums(self) -> None:
        """Every night, and by one drive alone: a cap whose sums are not those of its entries is an alarm."""
        if Chore.take("sums of budgets", NIGHTLY, now := self.clock()):
            for difference in budgets.differences():
                log.error("the sums of a budget are wrong: %s", difference)
                Notice.objects.create(at=now, text=f"The sums of a budget are wrong: {difference}"[:300])

    def _clear_up(self) -> None:
        """Every hour, and by one drive alone."""
        if Chore.take("clear up", HOURLY, now := self.clock()):
            IntakeDraft.sweep(now)
            hooks.forget_old(now)
            put_right.forget_old(now)
            downloads.sweep_temp(Path(settings.MEDIA_ROOT))
            close_days(now, most=DAYS_AT_ONCE)

    def disk_is_full(self) -> bool:
        """Nothing that makes files is begun below the guard; it goes on by itself when there is room again."""
        free = downloads.free_bytes(Path(settings.MEDIA_ROOT))
        full = free < settings.MIN_FREE_BYTES
        if full and not self._was_full:
            needed = settings.MIN_FREE_BYTES // 2**20
            text = f"Paused: {free // 2**20} MB are free in {settings.MEDIA_ROOT}, {needed} MB are needed."
            log.error(text)
            tell_of_full_disk(text, self.clock())
        self._was_full = full
        return full
