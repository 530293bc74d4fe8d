"""The engine's own drives, whose calls go out when a test says so: between any two moves anything may happen."""

from __future__ import annotations

import queue
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs.engine import worker
from jobs.engine.drive import Drive
from jobs.engine.pool import ASKING


@dataclass(slots=True)
class Clock:
    at: datetime = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass(slots=True)
class HeldPool:
    """In place of the pool of threads: work waits here until it is cranked."""

    size: int = 4
    waiting: list[tuple[str, Callable[[], Any], bool]] = field(default_factory=list)
    results: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)
    busy: int = 0
    paid: int = 0
    asking: int = 0

    @property
    def idle(self) -> int:
        return self.size - self.busy

    def start(self, kind: str, work: Callable[[], Any], *, paid: bool = False) -> None:
        self.busy += 1
        self.paid += paid
        self.asking += kind in ASKING
        self.waiting.append((kind, work, paid))

    def grow(self, most: int) -> None:
        """There are no threads to get ready."""

    def crank(self, which: int) -> None:
        """One of the calls goes out and comes back; it is not booked yet."""
        if self.waiting:
            kind, work, paid = self.waiting.pop(which % len(self.waiting))
            self.results.put((kind, (work(), paid)))

    def gather(self, timeout_s: float) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = defaultdict(list)
        with suppress(queue.Empty):
            while True:
                kind, value = self.results.get_nowait()
                if kind != "wire":
                    value, paid = value
                    self.busy -= 1
                    self.paid -= paid
                    self.asking -= kind in ASKING
                found[kind].append(value)
        return found

    def shutdown(self) -> None:
        self.waiting.clear()


class Hand:
    """One drive, move by move."""

    def __init__(self, role: str, clock: Clock) -> None:
        self.drive = Drive(role, slice_s=10**9, clock=clock.now)
        self.drive.pool = HeldPool()  # type: ignore[assignment]
        self.role = role

    @property
    def pool(self) -> HeldPool:
        return self.drive.pool  # type: ignore[return-value]

    def keep_house(self) -> None:
        self.drive.house.keep()

    def begin(self) -> None:
        self.drive._begin()

    def book(self) -> None:
        self.drive.booking.book(self.pool.gather(0.0))

    def die(self) -> None:
        """As by SIGKILL: its lock is free, what it had in hand is gone."""
        self.pool.waiting.clear()
        if self.drive.spill:
            self.drive.spill.close()
        worker.release(str(self.drive.worker.pk))
