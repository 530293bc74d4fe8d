"""Answers to paid calls that cannot be booked just now, kept on the local disk: a kill during an outage loses none.

One file a worker. It is written and fsynced only while the database does not answer, into space that was taken at the
start of the drive: where the disk is full, the database cannot be written either. A database may also hang and say
nothing: what takes long to be booked is written by a thread that looks now and then. Recovery reads the files of dead
workers before it concludes anything about them; what is booked is removed.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import IO, Any

from django.conf import settings

from providers import exceptions
from providers.types import Capability, Failed, Request

from . import worker
from .calls import Answer, Stored
from .requests import Ticket

log = logging.getLogger(__name__)
RESERVED = 256 * 1024  # some hundred answers
HANGS_S = 1.0  # what takes longer to be booked is kept
ERRORS = {
    error.__name__: error
    for error in (
        exceptions.RateLimited,
        exceptions.NotSent,
        exceptions.Unknown,
        exceptions.Unauthorised,
        exceptions.OutOfCredit,
    )
}


def folder() -> Path:
    return Path(settings.DATA_DIR) / "spill"


class Spill:
    """The file of one worker; without one (the disk was full when it began) there is memory alone, as before.

    Answers are handed in by the threads that got them, so that they are safe wherever the drive itself hangs.
    """

    def __init__(self, name: str) -> None:
        self.path = folder() / f"{name}.jsonl"
        self.kept: set[int] = set()  # attempts whose answers stand in it
        self._waiting: dict[int, tuple[float, Answer]] = {}  # attempt -> (when it came, its answer), not booked yet
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._file: IO[bytes] | None = None
        self._reserve()
        self._guard = threading.Thread(target=self._look_now_and_then, name="spill", daemon=True)
        self._guard.start()

    def _reserve(self) -> None:
        try:
            self.path.parent.mkdir(exist_ok=True)
            self._file = self.path.open("wb", buffering=0)
            self._file.write(b"\0" * RESERVED)
            self._file.seek(0)
            _sync_folder(self.path.parent)
        except OSError as error:
            log.warning("no place to keep answers in while the database is away: %s", error)

    def arrived(self, answer: Answer) -> None:
        """Waits from now on to be booked."""
        with self._lock:
            self._waiting[answer.ticket.attempt_id] = (monotonic(), answer)

    def keep(self, *, older_than_s: float = 0.0) -> int:
        """Writes what waits and does not stand in the file yet; how many that were."""
        with self._lock:
            late = monotonic() - older_than_s
            new = [a for key, (came, a) in self._waiting.items() if came <= late and key not in self.kept]
            if new and self._file is not None and self._write(self._file, new):
                self.kept |= {answer.ticket.attempt_id for answer in new}
                return len(new)
        return 0

    def _write(self, file: IO[bytes], answers: list[Answer]) -> bool:
        """False where the disk refuses: that is said and endured, as the answers are in memory, too."""
        lines = b"".join(json.dumps(_told(answer)).encode() + b"\n" for answer in answers)
        begun_at = file.tell()
        try:
            if file.write(lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            log.error("%s answers could not be kept in %s: %s", len(answers), self.path, error)
            file.seek(begun_at)
            return False
        return True

    def _look_now_and_then(self) -> None:
        while not self._closed.wait(HANGS_S / 2):
            if count := self.keep(older_than_s=HANGS_S):
                log.warning("the database takes long to book %s answers; they are kept meanwhile", count)

    def booked(self, answers: Iterable[Answer]) -> None:
        """These stand in the database now. When all do that the file keeps, it is begun anew."""
        with self._lock:
            for answer in answers:
                self._waiting.pop(answer.ticket.attempt_id, None)
            if self.kept and not self.kept & self._waiting.keys():
                self.kept.clear()
                self._drop()
                self._reserve()

    def close(self) -> None:
        """At the end of a drive; what is not booked stays for recovery."""
        self._closed.set()
        self._guard.join()
        if self.kept:
            self._file = None if self._file is None else self._file.close()
        else:
            self._drop()

    def _drop(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self.path.unlink(missing_ok=True)


def of_the_dead() -> list[Path]:
    """Files whose workers are provably gone."""
    return [path for path in sorted(folder().glob("*.jsonl")) if worker.is_dead(path.stem)]


def read(path: Path) -> list[Answer]:
    """What stands in a file; a last line that was cut off in the writing was never promised to anybody."""
    try:
        content = path.read_bytes().rstrip(b"\0")
    except FileNotFoundError:
        return []  # another recovery was faster
    answers = []
    for line in content.split(b"\n"):
        try:
            answers += [_answer(json.loads(line))] if line else []
        except (ValueError, KeyError, TypeError) as error:
            log.error("%s: a line cannot be read: %s", path, error)
    return answers


def put_by(path: Path) -> Path:
    """Under a name that no recovery reads: somebody has to look."""
    kept = path.with_suffix(".bad")
    with suppress(FileNotFoundError):  # another recovery was faster
        path.replace(kept)
    return kept


def _told(answer: Answer) -> dict[str, Any]:
    ticket, error = answer.ticket, answer.error
    return {
        "attempt": ticket.attempt_id,
        "step": ticket.step_id,
        "fence": ticket.fence,
        "stage": ticket.stage,
        "slug": ticket.slug,
        "capability": ticket.request.capability.value,
        "outcome": type(error).__name__ if error else "failed" if answer.failed else "accepted",
        "external_id": answer.accepted_id,
        "links": list(answer.links),
        "files": [asdict(file) for file in answer.files],
        "units": answer.units,
        "promised": answer.promised,
        "failed": asdict(answer.failed) if answer.failed else None,
        "message": getattr(error, "message", ""),
        "http_status": getattr(error, "http_status", None),
        "moderated": getattr(error, "moderated", False),
        "on_wire_at": answer.on_wire_at.isoformat() if answer.on_wire_at else None,
        "ended_at": answer.ended_at.isoformat(),
    }


def _answer(told: dict[str, Any]) -> Answer:
    return Answer(
        ticket=Ticket(
            step_id=told["step"],
            fence=told["fence"],
            stage=told["stage"],
            slug=told["slug"],
            request=Request(capability=Capability(told["capability"]), offer="", prompt=""),
            options={},
            attempt_id=told["attempt"],
        ),
        on_wire_at=datetime.fromisoformat(told["on_wire_at"]) if told["on_wire_at"] else None,
        ended_at=datetime.fromisoformat(told["ended_at"]),
        error=_error(told),
        failed=Failed(**told["failed"]) if told["failed"] else None,
        accepted_id=told["external_id"],
        files=tuple(Stored(**file) for file in told["files"]),
        links=tuple(told["links"]),
        units=told["units"],
        promised=told.get("promised", {}),
    )


def _error(told: dict[str, Any]) -> exceptions.CallError | None:
    """Of another kind than those of a call (a full disk, a broken download): nobody knows what became of the call."""
    if told["outcome"] in ("accepted", "failed"):
        return None
    if told["outcome"] == "Rejected":
        return exceptions.Rejected(told["message"], moderated=told["moderated"], http_status=told["http_status"])
    if told["outcome"] == "HeldBack":
        return exceptions.HeldBack(told["message"])
    kind = ERRORS.get(told["outcome"], exceptions.Unknown)
    return kind(told["message"], http_status=told["http_status"])


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
