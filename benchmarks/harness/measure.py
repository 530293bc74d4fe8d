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
    first = time.time() + START_S * len(jobs)
    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(lambda n: jobs[n](first + n * apart_s), range(len(jobs))))


def wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))
