"""Who this process is, and proof of who is dead: a lock file held for a process's whole life.

Identity is new at every start. The lock is opened after any fork and not inherited by children, so taking it proves
that the process is gone. Lock files lie on a local disk: proof holds for one data folder of one machine (`here`).
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
import uuid
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import IO

from django.conf import settings

from jobs.models import Worker

CLUSTER_VARIABLE = "VIDBATCH_SUPERVISOR"  # set by the supervisor for each cluster it starts
HOST_VARIABLE = "VIDBATCH_HOST"  # set by the supervisor, once: a laptop's name may change with its network
FOLDER_ID = "folder_id"
WORKERS_LOCK = "????????-????-????-????-????????????.lock"  # its name is a uuid and nothing else
_held: dict[tuple[int, str], IO[bytes]] = {}  # by (pid, name): a forked child holds none of its parent's


def cluster_lock(identity: str) -> str:
    """Held by the first process of a cluster: when it is free, the whole cluster was ended."""
    return f"supervisor-{identity}"


def driving_lock(role: str) -> str:
    """Held by the drive that claims for this role on this host, so that a doubled wake-up starts no second one."""
    return f"driving-{role}"


def here() -> str:
    """This machine and this lock folder. Another folder's locks prove nothing: a file that is not here is no death."""
    return f"{_host()}:{_folder_id(Path(settings.LOCK_ROOT) / FOLDER_ID)}"


def _host() -> str:
    return os.environ.get(HOST_VARIABLE) or socket.gethostname()


@cache
def _folder_id(path: Path) -> str:
    """A name that a copy of the folder does not inherit: it stands beside the inode of its own file."""
    with path.open("a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        handle.seek(0)
        inode, _, name = handle.read().partition(" ")
        if inode != str(own := os.fstat(handle.fileno()).st_ino):
            name = uuid.uuid4().hex[:8]
            handle.truncate(0)
            handle.write(f"{own} {name}")
        return name


def boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _host()


def lock_path(name: str) -> Path:
    return Path(settings.LOCK_ROOT) / f"{name}.lock"


def hold(name: str, *, patience_s: float = 0.0) -> bool:
    """Takes a lock for the rest of this process's life; False when a living process has it.

    Somebody who only looks whether it is free (`is_dead`) has it for a moment: hence the patience.
    """
    if (os.getpid(), name) in _held:
        return True
    handle = lock_path(name).open("ab")
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            handle.close()
            return False
        _held[os.getpid(), name] = handle
        return True


def release(name: str) -> None:
    """Gives a lock back whose name others use too: its file stays, else two could hold one each."""
    handle = _held.pop((os.getpid(), name), None)
    if handle:
        handle.close()


def let_go(name: str) -> None:
    """Gives back a lock that nobody else will ever take."""
    handle = _held.pop((os.getpid(), name), None)
    if handle:
        lock_path(name).unlink(missing_ok=True)
        handle.close()


def is_dead(name: str) -> bool:
    """True when nobody holds the lock: its owner on this host is provably gone."""
    if (os.getpid(), name) in _held:
        return False
    try:
        handle = lock_path(name).open("rb+")
    except FileNotFoundError:
        return True  # removed by its owner when it ended
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def is_any_at_work() -> bool:
    """True when any drive lives here, of whichever role, by the locks alone: for when the database does not answer."""
    return any(not is_dead(path.stem) for path in Path(settings.LOCK_ROOT).glob(WORKERS_LOCK))


def age_s(name: str) -> float:
    """How long ago it enlisted, by the clock that nobody sets and that stands still while the machine sleeps; infinite
    where its lock file does not say so."""
    try:
        return time.monotonic() - float(lock_path(name).read_text())
    except (OSError, ValueError):
        return float("inf")


def enlist(role: str, now: datetime) -> Worker:
    """A new Worker row for this process, with its lock held."""
    supervisor = os.environ.get(CLUSTER_VARIABLE, "")
    worker = Worker(
        uuid=uuid.uuid4(),
        role=role,
        supervisor=uuid.UUID(supervisor) if supervisor else None,
        host=here(),
        boot_id=boot_id(),
        pid=os.getpid(),
        started_at=now,
        seen_at=now,
    )
    if not hold(str(worker.uuid)):
        raise RuntimeError("A lock with a fresh name is taken.")  # a uuid4 collided, or the disk cannot lock
    with suppress(OSError):  # a full disk
        os.write(_held[os.getpid(), str(worker.uuid)].fileno(), str(time.monotonic()).encode())
    worker.save(force_insert=True)
    return worker
