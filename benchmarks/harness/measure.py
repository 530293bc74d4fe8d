"""Medians, load, cores that somebody else needs, and things that are measured beside each other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from typing import Any

Job = Callable[[float], dict[str, Any]]  # is told when to begin: the clock's time, 0 for at once
START_S = 1.5  # of a core, until a process is ready to begin


def middle(values: Iterable[float], digits: int = 4) -> float:
    return round(median(values), digits)


def load_average() -> float:
    return round(os.getloadavg()[0], 2)


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """So many processes that do nothing but compute."""
    idlers = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for idler in idlers:
            idler.kill()
            idler.wait()


def staggered(jobs: Sequence[Job], *, apart_s: float = 0.0) -> list[dict[str, Any]]:
    """Jobs that wait for most of their time, beside each other: all get ready, then each begins so long after another.

    So they seldom need a core at once.
    """
    first = time.time() + START_S * len(jobs) if len(jobs) > 1 else 0.0
    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(lambda n: jobs[n](first + n * apart_s), range(len(jobs))))


def in_groups(jobs: Sequence[Job], at_once: int, *, window_s: float) -> list[dict[str, Any]]:
    """So many beside each other, each a part of a window after another; then the next so many."""
    groups = [jobs[n : n + at_once] for n in range(0, len(jobs), at_once)]
    return [done for group in groups for done in staggered(group, apart_s=window_s / at_once)]


@contextmanager
def beside(job: Job) -> Iterator[list[dict[str, Any]]]:
    """Runs a job while others are measured; what it brings is in the list when the block is left."""
    found: list[dict[str, Any]] = []
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(job, 0.0)
        yield found
        found.append(coming.result())


def wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))
