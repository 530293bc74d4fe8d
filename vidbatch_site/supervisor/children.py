"""The child processes of `manage.py start`: each leads a process group of its own and is ended as a group."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from django.conf import settings

from jobs.engine import worker

from . import instance

log = logging.getLogger(__name__)
LOG_BYTES = 5 * 2**20
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 60.0  # a child that lived this long starts anew without a pause


@dataclass(slots=True, kw_only=True)
class Child:
    """One role and the process that plays it at the moment."""

    role: str
    leash: int  # the reading end of the pipe that ends with the supervisor
    listener: int = -1  # the web server's socket
    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    not_before: float = 0.0
    _pause_s: float = field(default=FIRST_PAUSE_S)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        keep_log_short(self.role)
        passed = [fd for fd in (self.leash, self.listener) if fd >= 0]
        with _open_log(self.role) as output:
            self.process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=settings.BASE_DIR,
                env={**os.environ, **self._environment()},
                pass_fds=passed,
                process_group=0,  # not a session of its own: Linux would weigh sessions alike, whatever their nice
            )
        self.since = time.monotonic()
        instance.write(self.role, instance.record_of(self.process.pid))

    def end(self) -> None:
        """The whole group, at once. Safe at any moment: rows say what was going on."""
        if self.process is not None:
            instance.end_group(self.process.pid)
            self.process.wait()
            self.process = None

    def ask_to_end(self) -> None:
        if self.process is not None and self.is_alive:
            self.process.send_signal(signal.SIGTERM)

    def put_off(self) -> float:
        """The pause before it is started again: short at first, longer while it keeps dying."""
        steady = time.monotonic() - self.since > STEADY_S
        self._pause_s = FIRST_PAUSE_S if steady else min(self._pause_s * 2, LONGEST_PAUSE_S)
        self.not_before = time.monotonic() + self._pause_s
        return self._pause_s

    def _command(self) -> list[str]:
        if self.role == "web":
            config = Path(__file__).with_name("gunicorn_conf.py")
            return [sys.executable, "-m", "gunicorn", "--config", str(config), "vidbatch_site.wsgi:application"]
        return [sys.executable, str(settings.BASE_DIR / "manage.py"), "cluster", self.role, "--leash", str(self.leash)]

    def _environment(self) -> Mapping[str, str]:
        """A cluster gets an identity of its own, so that a step is not blamed when the whole cluster was ended."""
        lean = {"MALLOC_ARENA_MAX": "2"}  # glibc would keep an arena of freed memory for each of many threads
        if self.role == "web":
            return {**lean, "LEASH_FD": str(self.leash), "LISTENER_FD": str(self.listener)}
        return {**lean, worker.CLUSTER_VARIABLE: str(uuid.uuid4()), "Q_CLUSTER_NAME": self.role}


def log_path(role: str) -> Path:
    path = Path(settings.DATA_DIR) / "logs" / f"{role}.log"
    with suppress(OSError):  # a full disk
        path.parent.mkdir(exist_ok=True)
    return path


def _open_log(role: str) -> IO[bytes]:
    """Nowhere, when a full disk has no room for a new file: the child matters more than what it says."""
    try:
        return log_path(role).open("ab")
    except OSError as error:
        log.warning("%s: its log cannot be written: %s", role, error)
        return Path(os.devnull).open("ab")


def keep_log_short(role: str) -> None:
    """Where a full disk has no room for the copy, the log is emptied without one."""
    path = log_path(role)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        older = path.with_suffix(".log.1")
        try:
            shutil.copyfile(path, older)
        except OSError as error:
            log.warning("%s: its log is emptied, and no copy kept: %s", role, error)
            with suppress(OSError):
                older.unlink(missing_ok=True)
        empty_log(role)


def empty_log(role: str) -> None:
    """Children append, so a log can be emptied under them. It needs no room on the disk, and makes some."""
    with suppress(OSError):  # there may be none
        os.truncate(log_path(role), 0)
