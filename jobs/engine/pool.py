"""Threads that carry calls and come back with answers; they touch no database."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger(__name__)
GATHER_S = 0.005  # results that come this close together are booked together
GATHER_STEP_S = 0.001
MEANWHILE_S = 1.0
BROKEN = object()
ON_THE_WAY = ("wire", "lines")  # news from threads that go on
ASKING = ("poll", "find")  # short, and costs nothing


@dataclass(slots=True)
class Pool:
    """Threads, and how many of them are busy."""

    size: int
    threads: list[threading.Thread] = field(default_factory=list)
    jobs: queue.SimpleQueue[tuple[str, Callable[[], Any], bool] | None] = field(default_factory=queue.SimpleQueue)
    results: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)
    busy: int = 0
    paid: int = 0
    asking: int = 0

    @property
    def idle(self) -> int:
        return self.size - self.busy

    def grow(self, count: int) -> None:
        """Starts the threads that so many more calls need: before the first of those has begun to work beside us."""
        while len(self.threads) < min(self.busy + count, self.size):
            self.threads.append(threading.Thread(target=self._serve, name="call", daemon=True))
            self.threads[-1].start()

    def start(self, kind: str, work: Callable[[], Any], *, paid: bool = False) -> None:
        self.grow(1)
        self.busy += 1
        self.paid += paid
        self.asking += kind in ASKING
        self.jobs.put((kind, work, paid))

    def _serve(self) -> None:
        while job := self.jobs.get():
            kind, work, paid = job
            try:
                result = work()
            except BaseException:  # what runs here lets none out: if it does, one step waits for its lease
                log.exception("a %s broke its thread's work", kind)
                result = BROKEN
            self.results.put((kind, (result, paid)))

    def shutdown(self, *, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Waits until every thread has ended what it is at; does something every now and then until then."""
        for _ in self.threads:
            self.jobs.put(None)
        for thread in self.threads:
            while thread.is_alive():
                thread.join(MEANWHILE_S)
                meanwhile()

    def gather(self, timeout_s: float) -> dict[str, list[Any]]:
        """Waits for a first result, then takes all that are there."""
        found: dict[str, list[Any]] = defaultdict(list)
        try:
            self._sort(self.results.get(timeout=timeout_s), found)
        except queue.Empty:
            return found
        quiet_s = 0.0
        while self.busy and quiet_s < GATHER_S:  # none busy: nothing more can come
            time.sleep(GATHER_STEP_S)  # being woken by each of them would cost more than what they bring
            quiet_s = 0.0 if self._sort_all(found) else quiet_s + GATHER_STEP_S
        self._sort_all(found)
        return found

    def _sort_all(self, found: dict[str, list[Any]]) -> bool:
        """Takes what is there; False when there was nothing."""
        some = False
        with suppress(queue.Empty):
            while True:
                self._sort(self.results.get_nowait(), found)
                some = True
        return some

    def _sort(self, result: tuple[str, Any], found: dict[str, list[Any]]) -> None:
        kind, value = result
        if kind not in ON_THE_WAY:
            value, paid = value
            self.busy -= 1
            self.paid -= paid
            self.asking -= kind in ASKING
        if value is BROKEN:
            return
        found[kind].append(value)
