from __future__ import annotations

import pytest

from tests.factories import a_batch, a_project, a_user


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
