"""Answers to paid calls that cannot be booked just now, kept on the local disk: a kill during an outage loses none.

One file a worker. It is written and fsynced only while the database does not answer, into space that was taken at the
start of the drive: where the disk is full, the database cannot be written either. Recovery reads the files of dead
workers before it concludes anything about them; what is booked is removed.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from providers import exceptions
from providers.types import Capability, Failed, Request

from . import worker
from .calls import Answer, Stored
from .requests import Ticket

log = logging.getLogger(__name__)
RESERVED = 256 * 1024  # some hundred answers
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
    """The file of one worker; without one (the disk was full when it began) there is memory alone, as before."""

    def __init__(self, name: str) -> None:
        self.path = folder() / f"{name}.jsonl"
        self.kept: set[int] = set()  # attempts whose answers stand in it
        self._file: IO[bytes] | None = None
        self._reserve()

    def _reserve(self) -> None:
        try:
            self.path.parent.mkdir(exist_ok=True)
            self._file = self.path.open("wb", buffering=0)
            self._file.write(b"\0" * RESERVED)
            self._file.seek(0)
            _sync_folder(self.path.parent)
        except OSError as error:
            log.warning("no place to keep answers in while the database is away: %s", error)

    def keep(self, answers: Iterable[Answer]) -> None:
        """Those that are not in it yet. A disk that refuses is said and endured: the answers are in memory, too."""
        new = [answer for answer in answers if answer.ticket.attempt_id not in self.kept]
        if not new or self._file is None:
            return
        lines = b"".join(json.dumps(_told(answer)).encode() + b"\n" for answer in new)
        begun_at = self._file.tell()
        try:
            if self._file.write(lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            log.error("%s answers could not be kept in %s: %s", len(new), self.path, error)
            self._file.seek(begun_at)
            return
        self.kept |= {answer.ticket.attempt_id for answer in new}

    def booked(self) -> None:
        """All that it keeps stands in the database now."""
        if self.kept:
            self.kept.clear()
            self._drop()
            self._reserve()

    def close(self) -> None:
        """At the end of a drive; what is not booked stays for recovery."""
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
    )


def _error(told: dict[str, Any]) -> exceptions.CallError | None:
    """Of another kind than those of a call (a full disk, a broken download): nobody knows what became of the call."""
    if told["outcome"] in ("accepted", "failed"):
        return None
    if told["outcome"] == "Rejected":
        return exceptions.Rejected(told["message"], moderated=told["moderated"], http_status=told["http_status"])
    kind = ERRORS.get(told["outcome"], exceptions.Unknown)
    return kind(told["message"], http_status=told["http_status"])


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
