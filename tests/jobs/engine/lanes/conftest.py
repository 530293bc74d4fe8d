from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobs.engine import worker
from providers import registry
from providers.models import Price
from tests.factories import a_provider
from tests.simulator_adapter import SimInstant, SimJobs

from .kit import NOW


@pytest.fixture
def me():
    registry.register(SimInstant)
    registry.register(SimJobs)
    mine = worker.enlist("generation", NOW)
    yield mine
    worker.let_go(str(mine.pk))
    for adapter in (SimInstant, SimJobs):
        registry._extra.pop(adapter.slug, None)


@pytest.fixture
def vendor(me):
    provider = a_provider("sim_instant", micro=100)
    Price.objects.update(valid_from=datetime(2020, 1, 1, tzinfo=UTC))
    return provider


@pytest.fixture
def jobs_vendor(me):
    provider = a_provider("sim_jobs", micro=100)
    Price.objects.update(valid_from=datetime(2020, 1, 1, tzinfo=UTC))
    return provider
