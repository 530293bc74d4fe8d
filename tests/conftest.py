from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator

import pytest

from tests import services

RAN_IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


def pytest_collection_finish() -> None:
    """What was imported stays: looking through it again and again for what could go takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_configure() -> None:
    """What a shell puts into the background starts with SIGINT ignored, and so would every program of a test."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# -- nothing is skipped ------------------------------------------------------------------------------------------------


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped(session.config) and RAN_IN_CI:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    if (skipped := _skipped(config)) and RAN_IN_CI:
        terminalreporter.write_line(f"{skipped} skipped: here that counts as failed.", red=True)


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", [])) if reporter else 0


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a test needs and is not there fails it, with the remedy."""
    if item.get_closest_marker("ffmpeg"):
        missing = [name for name in ("ffmpeg", "ffprobe", "espeak-ng") if shutil.which(name) is None]
        if missing:
            pytest.fail(f"{', '.join(missing)} missing here. `make test` installs what is missing.", pytrace=False)
    if item.get_closest_marker("postgres") and os.environ.get("VIDBATCH_TEST_DATABASE") != "postgres":
        pytest.fail("This test is about PostgreSQL: run it by `make postgres`.", pytrace=False)


# -- nothing leaves this machine ---------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("live"):
        return
    connect = socket.socket.connect

    def connect_here_only(self: socket.socket, address):
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(LOOPBACK):
            self.close()
            raise AssertionError(f"A test wanted to reach {address[0]}; tests stay on this machine.")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here_only)


# -- databases ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, request: pytest.FixtureRequest) -> None:
    from tests import databases  # needs settings

    if cache := getattr(request.config, "cache", None):
        databases.create_from_template(cache.mkdir("databases"))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    from tests import databases

    databases.empty_instead_of_flush()


# -- services and processes --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with services.redis() as url:
        yield url


@pytest.fixture
def child_environment(db) -> dict[str, str]:
    """For a process that a test starts: the test's own folders and database (use transactional_db beside it)."""
    from django.db import connection

    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "VIDBATCH_TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
    }


@pytest.fixture(autouse=True)
def _locks_end_with_their_test() -> Iterator[None]:
    """A test that enlists a worker plays a process; with the test that process is over."""
    yield
    if worker := sys.modules.get("jobs.engine.worker"):
        for _, name in list(worker._held):
            worker.release(name)


@pytest.fixture(scope="module")
def module_rows(django_db_setup, django_db_blocker) -> Iterator[None]:
    """For fixtures of module scope: the rows that they make are there for every test of the module and go with it.

    What a test itself writes still goes with the test. Not for tests with transactional_db.
    """
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
