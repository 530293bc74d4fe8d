"""Starts web server and clusters, replaces what dies, watches that work is driven, and ends it all in good order."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from types import FrameType

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connections
from django.utils import timezone

from jobs.engine import watch, worker
from jobs.engine.roles import stop_flag
from jobs.tasks import enqueue

from . import address, instance
from .children import Child, empty_log, keep_log_short, log_path
from .watchdog import Watchdog

log = logging.getLogger(__name__)
ROUND_S = 0.2
LOOK_EVERY_S = 2.0
END_GRACE_S = 5.0
LOGS_EVERY_S = 60.0


class Supervisor:
    """One `manage.py start`. It holds no work itself: killing it at any moment loses nothing."""

    def __init__(self, roles: Sequence[str], *, say: Callable[[str], None]) -> None:
        self.roles, self.say = roles, say
        self.signals = 0
        self.leash, self._kept = os.pipe()  # nobody writes; our end closes when we die
        self.listener: socket.socket | None = None
        self.children: list[Child] = []
        self.watchdogs: list[Watchdog] = []
        self._url = ""
        self._looked = self._trimmed = time.monotonic()
        self._is_away = False  # the database, when we last asked whether somebody drives
        os.environ[worker.HOST_VARIABLE] = socket.gethostname()  # ours and all our children's from now on

    # -- signals ---------------------------------------------------------------------------------

    def take_signals(self) -> None:
        """Also those that the shell had us ignore, but for SIGHUP: ignoring that is what `nohup` is for."""
        signal.signal(signal.SIGINT, self._count)
        signal.signal(signal.SIGTERM, self._count)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._count)

    def _count(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1

    # -- life ------------------------------------------------------------------------------------

    def run(self) -> int:
        """Until a signal comes. The exit status: 0 after an orderly end."""
        try:
            self._start_all()
            while not self.signals:
                self._round()
                time.sleep(ROUND_S)
            return self._stop()
        finally:
            self._end_all()

    def _start_all(self) -> None:
        for role in self.roles:
            if instance.end_leftovers(role):
                self.say(f"Ended what an earlier run had left of {role}.")
        for role in self._driven():
            stop_flag(role).unlink(missing_ok=True)
            watch.bury_dead(role, timezone.now())
            watch.clear_queue(role)
            enqueue(role)
        for role in self.roles:
            child = Child(role=role, leash=self.leash)
            if role == "web":
                self.listener = address.listen(settings.PORT)
                child.listener = self.listener.fileno()
            self.children.append(child)
            child.start()
        self.watchdogs = [Watchdog(role, restart=self._restarting(role)) for role in self._driven()]

    def _driven(self) -> list[str]:
        return [role for role in self.roles if role in settings.ROLES]

    def _round(self) -> None:
        for child in self.children:
            self._keep_alive(child)
        self._tell_address()
        if time.monotonic() - self._looked > LOOK_EVERY_S:
            for watchdog in self.watchdogs:
                watchdog.look()
            self._looked = time.monotonic()
        if time.monotonic() - self._trimmed > LOGS_EVERY_S:
            for role in self.roles:
                keep_log_short(role)
            self._trimmed = time.monotonic()

    def _keep_alive(self, child: Child) -> None:
        if child.is_alive:
            return
        if child.process is not None:
            status = child.process.returncode
            child.end()  # what it left behind goes with it
            pause_s = child.put_off()
            self.say(f"{child.role} ended with status {status}; it starts again in {pause_s:g} s. {_where(child.role)}")
        if time.monotonic() >= child.not_before:
            self._start_again(child)

    def _start_again(self, child: Child) -> None:
        if child.role in settings.ROLES:
            with contextlib.suppress(DatabaseTrouble):  # the watchdog will see to it
                watch.bury_dead(child.role, timezone.now())
                watch.clear_queue(child.role)
                enqueue(child.role)
        child.start()
        self._write_address(child)

    def _restarting(self, role: str) -> Callable[[], None]:
        """A deaf cluster does not hear SIGTERM either, and nobody works in it: it is ended at once."""

        def restart() -> None:
            child = next(child for child in self.children if child.role == role)
            self.say(f"The {role} cluster does not answer; it is started anew. {_where(role)}")
            child.end()
            self._start_again(child)

        return restart

    def _tell_address(self) -> None:
        if self.listener is None or self._url or not address.answers(self.listener):
            return
        self._url = address.url_of(self.listener)
        for child in self.children:
            self._write_address(child)
        self.say(f"vidbatch is running: {self._url}  (Ctrl-C ends it)")

    def _write_address(self, child: Child) -> None:
        if child.process is not None:
            instance.write(child.role, instance.record_of(child.process.pid, url=self._url))

    # -- the end ---------------------------------------------------------------------------------

    def _stop(self) -> int:
        self.say("Stopping: nothing new is begun, local work is put back. Ctrl-C again ends everything at once.")
        for role in self._raise_flags():
            empty_log(role)  # makes room
        if untold := self._raise_flags():
            self.say(
                f"The file that stops {' and '.join(untold)} cannot be made: "
                f"make room on the disk, or end everything at once with Ctrl-C."
            )
        if self._wait_for_drives() and self._ask_all_to_end():
            self.say("Stopped.")
            return 0
        self.say("Ended at once; the next start takes up what was under way.")
        return 1

    def _raise_flags(self) -> list[str]:
        """The roles that cannot be told to stop: a full disk may have no room even for an empty file."""
        untold = []
        for role in self._driven():
            try:
                stop_flag(role).touch()
            except OSError:
                untold.append(role)
        return untold

    def _wait_for_drives(self) -> bool:
        """False when a second signal came first."""
        deadline = time.monotonic() + settings.LONGEST_CALL_S + 15
        said = 0
        while time.monotonic() < deadline and self._are_driving():
            if self.signals > 1:
                return False
            self._raise_flags()  # there may be room by now
            paid = self._paid_calls()
            if paid and paid != said:
                self.say(f"Waiting for {paid} paid {'call' if paid == 1 else 'calls'} to end.")
                said = paid
            time.sleep(ROUND_S)
        return True

    def _are_driving(self) -> bool:
        """While the database is away the locks alone tell: drives wait for their calls then too."""
        alive = {child.role for child in self.children if child.is_alive}
        try:
            driving = any(watch.living(role) for role in self._driven() if role in alive)
            self._is_away = False
            return driving
        except DatabaseTrouble as error:
            if not self._is_away:
                log.warning("the database does not answer; the lock files tell who is at work: %s", error)
            self._is_away = True
            close_old_connections()  # the next question connects anew
            return worker.is_any_at_work()

    def _paid_calls(self) -> int:
        try:
            return watch.paid_calls()
        except DatabaseTrouble:
            return 0

    def _ask_all_to_end(self) -> bool:
        for child in self.children:
            child.ask_to_end()
        deadline = time.monotonic() + END_GRACE_S
        while time.monotonic() < deadline and any(child.is_alive for child in self.children):
            if self.signals > 1:
                return False
            time.sleep(ROUND_S / 4)
        return True

    def _end_all(self) -> None:
        for child in self.children:
            child.end()
            instance.forget(child.role)
        for role in self._driven():
            stop_flag(role).unlink(missing_ok=True)
        connections.close_all()


def _where(role: str) -> str:
    return f"Its log: {log_path(role)}"
