"""What every process of a trial feels at once: the clock of the machine, and the room on its disk."""

from __future__ import annotations

import contextlib
import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django.utils.timezone

import jobs.engine.clock
from providers import downloads

_clock: mmap.mmap | None = None
_true_free_bytes = downloads.free_bytes


class Shifted(datetime):
    """What a module sees as `datetime`."""

    @classmethod
    def now(cls, tz=None):  # noqa: ANN001, ANN206
        return now()


def now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=offset_s())


def offset_s() -> float:
    return struct.unpack("d", _clock[:8])[0] if _clock else 0.0


def make(folder: Path) -> None:
    (folder / "clock").write_bytes(struct.pack("d", 0.0))


def set_clock(folder: Path, offset: float) -> None:
    with (folder / "clock").open("r+b") as file:
        file.write(struct.pack("d", offset))


def set_free(folder: Path, free: int | None) -> None:
    (folder / "free").unlink(missing_ok=True)
    if free is not None:
        (folder / "free.new").write_text(str(free))
        (folder / "free.new").rename(folder / "free")  # nobody reads half of it


def feel(folder: Path) -> None:
    """In each process: everything that asks for the time or the room asks here."""
    global _clock
    with (folder / "clock").open("r+b") as file:
        _clock = mmap.mmap(file.fileno(), 8)
    jobs.engine.clock.now_utc = now
    django.utils.timezone.datetime = Shifted

    def free_bytes(path: Path) -> int:
        with contextlib.suppress(FileNotFoundError):
            return int((folder / "free").read_text())
        return _true_free_bytes(path)

    downloads.free_bytes = free_bytes
