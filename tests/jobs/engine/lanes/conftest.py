from __future__ import annotations

from datetime import UTC, datetime

import pytest

from providers.models import Price
from tests.factories import a_provider

from ..enlisted import a_worker
from .kit import NOW


@pytest.fixture
def me():
    with a_worker(NOW) as mine:
        yield mine


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
