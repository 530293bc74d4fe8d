"""Running programs, each known from start to end, so that all of them can be ended."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from .errors import DiskFull, MediaError, MediaTimeout, ProgramFailed, Stopped

STDERR_KEPT = 64 * 1024
# Somebody else's doing, no fault of the file: it may be tried again.
KILLS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
FFMPEG_INTERRUPTED = 255  # it catches SIGTERM and SIGINT, tidies up and ends with this

_lock = threading.Lock()
_running: set[Child] = set()


class Child:
    """One running program, its stderr drained by a thread, killed by a timer when it takes too long."""

    def __init__(
        self,
        args: Sequence[str],
        *,
        timeout_s: float,
        feed: bool,
        cwd: Path | None,
        command: list[str],
        environment: Mapping[str, str],
    ) -> None:
        self.program = Path(args[0]).name
        self.timeout_s = timeout_s
        self.started = time.monotonic()
        self.reason: MediaError | None = None
        with _lock:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=dict(environment),
            )
            _running.add(self)
        self._stderr = bytearray()
        self._drain = threading.Thread(target=self._read_stderr, daemon=True)
        self._drain.start()
        self._timer = threading.Timer(timeout_s, self._too_long)
        self._timer.daemon = True
        self._timer.start()

    def end(self, reason: MediaError) -> None:
        if self.process.poll() is None:
            self.reason = self.reason or reason
            self.process.kill()

    def finish(self) -> float:
        """Waits for the end; the seconds it took. Raises when it did not end well."""
        self.process.wait()
        self._timer.cancel()
        with _lock:
            _running.discard(self)
        self._drain.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            close(stream)
        if self.reason is not None:
            self.reason.detail = self.reason.detail or self.stderr[-2000:]
            raise self.reason
        if self.process.returncode:
            raise self._failure()
        return time.monotonic() - self.started

    @property
    def stderr(self) -> str:
        return self._stderr.decode("utf-8", "replace")

    def _failure(self) -> MediaError:
        if "No space left on device" in self.stderr:
            return DiskFull("The disk is full. Free some space, then try again.", detail=self.stderr)
        status = self.process.returncode
        if -status in KILLS or (self.program == "ffmpeg" and status == FFMPEG_INTERRUPTED):
            return Stopped(f"{self.program} was ended from outside.", detail=self.stderr)
        how = f"was ended by signal {-status}" if status < 0 else f"failed with status {status}"
        return ProgramFailed(f"{self.program} {how}.", detail=self.stderr)

    def _too_long(self) -> None:
        self.end(MediaTimeout(f"{self.program} did not finish within {self.timeout_s:g} s."))

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        while block := self.process.stderr.read1(65536):  # type: ignore[attr-defined]
            self._stderr += block
            del self._stderr[:-STDERR_KEPT]


def end_all() -> None:
    """Kills every child still running; whoever waits for one gets Stopped."""
    with _lock:
        children = list(_running)
    for child in children:
        child.end(Stopped(f"{child.program} was ended because the work was stopped."))


def close(stream: IO[bytes] | None) -> None:
    with contextlib.suppress(BrokenPipeError, ValueError):
        if stream is not None:
            stream.close()
