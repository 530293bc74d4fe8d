from __future__ import annotations

import pytest

from tests.simulator import protocols
from tests.simulator.process import simulator


@pytest.fixture(scope="session")
def _simulator(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("vendors") / "books.sqlite", scale=600) as running:
        yield running


@pytest.fixture
def vendors(_simulator):
    """The simulator, as if it had just been started: ten minutes pass in a second."""
    for slug in protocols.ALL:
        _simulator.control(slug, fresh=True, calm=True, usual=True)
    return _simulator
