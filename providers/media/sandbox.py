"""Programs and files of others: argument lists, a clean environment, limits, low priority, one way to end them all.

Children stay in our process group, so that ending the group ends them however we die.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from .children import Child, close, end_all
from .errors import BadMedia, DiskFull, MediaError, MediaTimeout, ProgramFailed, ProgramMissing, Stopped

__all__ = [
    "BadMedia", "Completed", "DiskFull", "MediaError", "MediaTimeout", "Pipe", "ProgramFailed", "ProgramMissing",
    "Stopped", "end_all", "pipe", "program", "run", "run_python",
]  # fmt: skip

MIB = 1024 * 1024
PROJECT_ROOT = Path(__file__).resolve().parents[2]
FILE_SIZE_MB = 2048  # the largest file a child may write
NICE = 10  # below the pages and the drives

# Numbers come in as arguments; no text of a user ever becomes part of the script. What a system lacks (macOS has no
# address-space limit) is left out rather than fatal. -f counts blocks of 512 bytes.
LIMITS_SCRIPT = (
    'ulimit -t "$1" 2>/dev/null; ulimit -v "$2" 2>/dev/null; ulimit -f "$3" 2>/dev/null; ulimit -c 0 2>/dev/null; '
    'shift 3; exec "$@"'
)

PACKAGES = {  # program: (apt, brew)
    "ffmpeg": ("ffmpeg", "ffmpeg-full"),  # the small formula has no libass
    "ffprobe": ("ffmpeg", "ffmpeg-full"),
    "espeak-ng": ("espeak-ng", "espeak-ng"),
    "fc-list": ("fontconfig", "fontconfig"),
}


@dataclass(frozen=True, slots=True)
class Completed:
    stdout: bytes
    stderr: str
    seconds: float


class Pipe:
    """A program that is fed on stdin: `with pipe(args, timeout_s=60) as ffmpeg: ffmpeg.write(frame)`."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._stdout = threading.Thread(target=_discard, args=(child.process.stdout,), daemon=True)
        self._stdout.start()

    def write(self, block: bytes | bytearray | memoryview) -> None:
        assert self._child.process.stdin is not None
        try:
            self._child.process.stdin.write(block)
        except (BrokenPipeError, ValueError) as error:
            self._finish()
            raise MediaError(f"{self._child.program} stopped reading.", detail=self._child.stderr) from error

    def __enter__(self) -> Pipe:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._finish()
            return
        self._child.end(MediaError(f"{self._child.program} was given up."))
        with contextlib.suppress(MediaError):  # what went wrong first is already on its way up
            self._finish()

    def _finish(self) -> None:
        close(self._child.process.stdin)
        self._stdout.join()
        self._child.finish()


def run(
    args: Sequence[str],
    *,
    timeout_s: float,
    stdin: bytes | None = None,
    cwd: Path | None = None,
    memory_mb: int = 2048,
    nice: int = NICE,
    max_stdout: int = 64 * MIB,
    environment: Mapping[str, str] | None = None,
) -> Completed:
    """Runs to the end. `environment` is added to the clean one. Raises MediaError on any status but 0."""
    child = _start(
        args,
        timeout_s=timeout_s,
        feed=stdin is not None,
        cwd=cwd,
        memory_mb=memory_mb,
        nice=nice,
        environment=environment,
    )
    writer = threading.Thread(target=_feed, args=(child.process.stdin, stdin or b""), daemon=True)
    if stdin is not None:
        writer.start()
    stdout = _read_at_most(child, max_stdout)
    seconds = child.finish()
    return Completed(stdout=stdout, stderr=child.stderr, seconds=seconds)


def pipe(
    args: Sequence[str],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    memory_mb: int = 2048,
    nice: int = NICE,
) -> Pipe:
    return Pipe(_start(args, timeout_s=timeout_s, feed=True, cwd=cwd, memory_mb=memory_mb, nice=nice))


def run_python(
    module: str, payload: dict[str, Any], *, timeout_s: float, memory_mb: int = 1024, nice: int = NICE
) -> dict[str, Any]:
    """`python -m module` with JSON on stdin and stdout. An answer {"error": "sentence"} is raised as MediaError."""
    done = run(
        [sys.executable, "-m", module],
        timeout_s=timeout_s,
        stdin=json.dumps(payload).encode(),
        memory_mb=memory_mb,
        nice=nice,
        cwd=PROJECT_ROOT,
        # A pool of BLAS threads reserves more address space than the limit allows on a machine with many cores.
        environment={"PYTHONPATH": str(PROJECT_ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        raise MediaError(f"{module} gave no readable answer.", detail=done.stderr) from error
    if not isinstance(answer, dict):
        raise MediaError(f"{module} gave no readable answer.", detail=repr(answer))
    if "error" in answer:
        raise MediaError(str(answer["error"]), detail=done.stderr)
    return answer


def program(name: str) -> str:
    """The full path of a program, or ProgramMissing with the way to install it."""
    found = shutil.which(name)
    if found:
        return found
    apt, brew = PACKAGES.get(name, (name, name))
    raise ProgramMissing(
        f"{name} is not installed. Install it with `sudo apt-get install {apt}` "
        f"(Debian, Ubuntu) or `brew install {brew}` (macOS), then try again."
    )


def _start(
    args: Sequence[str],
    *,
    timeout_s: float,
    feed: bool,
    cwd: Path | None,
    memory_mb: int,
    nice: int,
    environment: Mapping[str, str] | None = None,
) -> Child:
    limits = [str(math.ceil(timeout_s) * 4 + 10), str(memory_mb * 1024), str(FILE_SIZE_MB * MIB // 512)]
    command = ["sh", "-c", LIMITS_SCRIPT, "sh", *limits, program(args[0]), *args[1:]]
    if nice:
        command = ["nice", "-n", str(nice), *command]
    clean = {
        "PATH": os.pathsep.join(os.get_exec_path()),
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "MALLOC_ARENA_MAX": "2",  # else every thread reserves 64 MiB of the address space
        **(environment or {}),
    }
    return Child(args, timeout_s=timeout_s, feed=feed, cwd=cwd, command=command, environment=clean)


def _read_at_most(child: Child, limit: int) -> bytes:
    assert child.process.stdout is not None
    kept = bytearray()
    while block := child.process.stdout.read1(1 << 20):  # type: ignore[attr-defined]
        kept += block
        if len(kept) > limit:
            child.end(MediaError(f"{child.program} wrote more than {limit // MIB} MiB."))
            break
    return bytes(kept)


def _feed(stream: IO[bytes], content: bytes) -> None:
    try:
        stream.write(content)
    except (BrokenPipeError, ValueError):
        pass  # it ended early; its status says whether that was an error
    finally:
        close(stream)


def _discard(stream: IO[bytes]) -> None:
    while stream.read(65536):
        pass
