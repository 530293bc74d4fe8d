"""A worker of this process, and vendors of the simulator for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from jobs.engine import worker
from jobs.models import Worker
from providers import registry
from tests.simulator_adapter import SimInstant, SimJobs


@contextmanager
def a_worker(now: datetime) -> Iterator[Worker]:
    registry.register(SimInstant)
    registry.register(SimJobs)
    mine = worker.enlist("generation", now)
    yield mine
    worker.let_go(str(mine.pk))
    for adapter in (SimInstant, SimJobs):
        registry._extra.pop(adapter.slug, None)
