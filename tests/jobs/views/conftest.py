from __future__ import annotations

from importlib import import_module

import pytest

from tests.factories import a_batch, a_project, a_user


@pytest.fixture(autouse=True)
def _few_runs_tell_of_the_spread(monkeypatch):
    """Pages show a forecast; how good it is, tests/jobs/forecast asks."""
    forecasting = import_module("jobs.forecast.forecast")  # whose name its package gives to the function
    monkeypatch.setattr(forecasting, "LEAST_RUNS", 2)
    monkeypatch.setattr(forecasting, "MOST_RUNS", 2)


@pytest.fixture
def project():
    return a_project()


@pytest.fixture
def batch(project):
    return a_batch("Bread", "Tides", "Locks", project=project)


@pytest.fixture
def producer(client, project):
    client.force_login(a_user(project=project))
    return client
