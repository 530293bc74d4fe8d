"""Drives in processes of their own, forked from one that has loaded everything: a start costs a few milliseconds."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import time
import uuid
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from jobs.engine import worker
from tests.chaos.ground import Ground

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.chaos.preload"])
PR_SET_PDEATHSIG = 1
RECOVERIES = "recoveries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a drive is told at its birth."""

    ground: Ground
    role: str
    name: str
    slice_s: float = 2.0
    failpoints: str = ""
    bug: str = ""
    cluster: str = ""  # the identity of its supervisor
    host: str = ""  # another machine than the others are on


def work(order: Order) -> None:
    """In the child: one drive, to the end of its slice."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    out = os.open(order.ground.folder / f"log-{order.name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    from tests.chaos import bugs, weather

    _log_to_stderr()
    order.ground.enter()
    os.environ["VIDBATCH_SUPERVISOR"] = order.cluster
    from jobs.engine import failpoints
    from jobs.engine.drive import Drive

    weather.feel(order.ground.folder)
    if order.host:
        worker.here = lambda: f"{order.host}:{order.ground.folder.name}"
    _note_recoveries(order.ground.folder)
    bugs.plant(order.bug)
    failpoints.arm(order.failpoints)
    Drive(order.role, slice_s=order.slice_s, clock=weather.now).run()


def _note_recoveries(folder: Path) -> None:
    """When each began that came to its end, by the clock that all processes of a machine share."""
    from jobs.engine import recovery

    recover = recovery.recover

    def recover_and_say_so(*args: Any) -> int:
        began = time.monotonic()
        freed = recover(*args)
        with (folder / RECOVERIES).open("a") as file:
            file.write(f"{began}\n")
        return freed

    recovery.recover = recover_and_say_so


def _log_to_stderr() -> None:
    import logging

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().handlers = [handler]


@dataclass(slots=True)
class Member:
    order: Order
    process: ForkServerProcess
    stopped_until: float = 0.0

    @property
    def is_stopped(self) -> bool:
        """Also one that stopped itself at a failpoint."""
        with contextlib.suppress(OSError, IndexError):
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return False

    def send(self, number: signal.Signals) -> None:
        if self.process.exitcode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


@dataclass(slots=True)
class Crew:
    ground: Ground
    members: list[Member] = field(default_factory=list)
    deaths: int = 0
    starts: int = 0
    cluster: str = ""
    died: dict[int, float] = field(default_factory=dict)  # process -> when that was seen

    def new_cluster(self) -> None:
        """The lock of a supervisor's first process: while we hold it, the cluster lives."""
        if self.cluster:
            worker.let_go(worker.cluster_lock(self.cluster))
        self.cluster = str(uuid.uuid4())
        worker.hold(worker.cluster_lock(self.cluster))

    def start(self, role: str, **values: Any) -> Member:
        self.starts += 1
        order = Order(ground=self.ground, role=role, name=f"{self.starts}-{role}", cluster=self.cluster, **values)
        process = FORKS.Process(target=work, args=(order,), daemon=True)
        process.start()
        self.died.pop(process.pid, None)
        member = Member(order, process)
        self.members.append(member)
        return member

    def bury(self) -> list[Member]:
        """Those that ended since the last look."""
        gone = [member for member in self.members if member.process.exitcode is not None]
        for member in gone:
            self.members.remove(member)
            self.deaths += member.process.exitcode < 0
            self.died[member.process.pid] = time.monotonic()
            member.process.close()
        return gone

    def recoveries(self) -> list[float]:
        """When those began that have ended by now."""
        with contextlib.suppress(FileNotFoundError):
            return [float(line) for line in (self.ground.folder / RECOVERIES).read_text().splitlines()]
        return []

    def of(self, role: str) -> list[Member]:
        return [member for member in self.members if member.order.role == role]

    def wake(self, *, all_of_them: bool = False) -> None:
        """Lets go on what was stopped for long enough."""
        for member in self.members:
            if member.is_stopped:
                member.stopped_until = member.stopped_until or time.monotonic() + 1.0
                if all_of_them or time.monotonic() > member.stopped_until:
                    member.stopped_until = 0.0
                    member.send(signal.SIGCONT)

    def kill_all(self) -> None:
        for member in self.members:
            member.send(signal.SIGKILL)
        for member in self.members:
            member.process.join(10)
        self.bury()
