"""What is done to a running batch: kills, stops, clocks, the database, the disk, the vendor, people."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from contextlib import closing, suppress
from datetime import datetime
from random import Random
from typing import Any

from django.db import connections

from jobs import control
from jobs.models import Attempt, Batch, Budget
from providers import webhooks
from providers.types import WebhookSaid
from tests.chaos import postmaster, weather
from tests.chaos.crew import Crew
from tests.chaos.ground import Ground, is_postgres
from tests.chaos.person import Person
from tests.simulator.process import Simulator


class Storm:
    def __init__(self, ground: Ground, crew: Crew, simulator: Simulator, person: Person, chance: Random) -> None:
        self.ground, self.crew, self.simulator, self.person, self.chance = ground, crew, simulator, person, chance
        self.later: list[tuple[float, Any]] = []  # what is undone when its time has come
        self.threads: list[threading.Thread] = []
        self.offset_s = 0.0
        self.log: list[str] = []
        self.pauses: list[tuple[int, datetime, datetime]] = []  # batch, from, until

    def strike(self, what: str, how: dict[str, Any]) -> None:
        self.log.append(f"{what} {how or ''}".strip())
        getattr(self, f"_{what}")(**how)

    def undo_what_is_due(self, *, all_of_it: bool = False) -> None:
        due = [job for job in self.later if all_of_it or job[0] <= time.monotonic()]
        for job in due:
            self.later.remove(job)
            job[1]()

    def end(self) -> None:
        self.undo_what_is_due(all_of_it=True)
        for thread in self.threads:
            thread.join(30)

    def _after(self, seconds: float, undo: Any) -> None:
        self.later.append((time.monotonic() + seconds, undo))

    # -- processes -------------------------------------------------------------------------------

    def _kill(self) -> None:
        if self.crew.members:
            self.chance.choice(self.crew.members).send(signal.SIGKILL)

    def _kill_all(self) -> None:
        """Of these processes it is known that their whole cluster died."""
        self.crew.new_cluster()
        self.crew.kill_all()

    def _stop(self, for_s: float) -> None:
        if self.crew.members:
            member = self.chance.choice(self.crew.members)
            member.stopped_until = time.monotonic() + for_s
            member.send(signal.SIGSTOP)

    # -- people ----------------------------------------------------------------------------------

    def _person(self) -> None:
        self.log[-1] += f" {self.person.meddle()}"

    def _pause(self, for_s: float) -> None:
        since, offset_s = weather.now(), self.offset_s
        control.pause(Batch.objects.get(), since)

        def resume() -> None:
            batch = Batch.objects.get()
            if batch.paused_at:  # and was not resumed by the end of another pause
                if self.offset_s == offset_s:  # else calls before it may seem to be of its time
                    self.pauses.append((batch.pk, since, weather.now()))  # from the next line on calls leave
                control.resume(batch)

        self._after(for_s, resume)

    def _cancel(self, how: str) -> None:
        self.person.cancel(how)

    def _cap(self) -> None:
        """Lowered below what is spent: nothing in flight is touched."""
        Budget.objects.update(cap_micro=1000)

    # -- the machine -----------------------------------------------------------------------------

    def _clock(self, by_s: float, back_after_s: float | None = None) -> None:
        self.offset_s += by_s
        weather.set_clock(self.ground.folder, self.offset_s)
        if by_s < 0:  # a pause that ended in what is to come once more proves nothing
            self.pauses = [pause for pause in self.pauses if pause[2] <= weather.now()]
        if back_after_s is not None:
            self._after(back_after_s, lambda: self._clock(-by_s))

    def _disk(self, for_s: float) -> None:
        weather.set_free(self.ground.folder, 0)
        self._after(for_s, lambda: weather.set_free(self.ground.folder, None))

    def _database(self, for_s: float) -> None:
        if is_postgres():
            connections.close_all()
            self.log[-1] += f" {postmaster.disturb(self.chance, self.ground.database, for_s)}"
        else:
            self.threads.append(threading.Thread(target=self._lock_sqlite, args=(for_s,), daemon=True))
            self.threads[-1].start()

    def _lock_sqlite(self, for_s: float) -> None:
        """Somebody else writes for a long time."""
        other = sqlite3.connect(self.ground.database, timeout=10, isolation_level=None)
        with closing(other), suppress(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")
            time.sleep(for_s)
            other.execute("ROLLBACK")

    # -- the vendor ------------------------------------------------------------------------------

    def _vendor(self, for_s: float) -> None:
        """It is killed, and comes back on the same port with the same books."""
        self.simulator.kill()

        def come_back() -> None:
            if not self.simulator.is_running:  # it may have been killed twice meanwhile
                self.simulator.start()

        self._after(for_s, come_back)

    def _hooks(self) -> None:
        """Signed webhooks, doubled, about jobs that run on and about one that nobody knows: hints, and no more."""
        running = Attempt.objects.filter(provider__slug="sim_jobs", ended_at=None).exclude(external_id="")
        for job in [*running.values_list("external_id", flat=True)[:4], "job-of-a-stranger"]:
            said = WebhookSaid(webhook_id=f"hook-{self.chance.randrange(10**9)}", external_id=job)
            webhooks._store("sim_jobs", said, "")
            webhooks._store("sim_jobs", said, "")
