from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest
import redis

from tests import services

pytestmark = pytest.mark.slow


def test_postgres_runs_for_us_alone_and_ends_with_us():
    with services.postgres() as url, psycopg.connect(url) as connection:
        (folder,) = connection.execute("SHOW data_directory").fetchone()
        assert os.path.isdir(folder)
    assert not os.path.exists(folder)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_redis_runs_empty_and_ends_with_us():
    with services.redis() as url:
        client = redis.Redis.from_url(url)
        assert client.dbsize() == 0
        client.close()
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(url).ping()


def test_a_missing_program_is_named_with_the_remedy():
    with pytest.raises(services.ServiceMissing, match=r"no-such-server is missing.*apt-get install no-such-package"):
        services.program("no-such-server", "no-such-package")


def test_the_command_gets_the_address_and_gives_its_status_back():
    script = "import os, redis; redis.Redis.from_url(os.environ['VIDBATCH_TEST_REDIS_URL']).ping(); raise SystemExit(7)"
    command = [sys.executable, "-m", "tests.services", "redis", "--", sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True).returncode == 7


def test_a_test_cannot_leave_this_machine():
    import socket

    with pytest.raises(AssertionError, match="tests stay on this machine"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
