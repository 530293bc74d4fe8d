"""The second shape, from outside: the real commands on PostgreSQL and Redis, a database and a queue of their own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis

from tests.chaos.books import assert_in_order
from tests.supervisor.installation import SLACK, SMALL, Installation, kill

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.ffmpeg]
AT_WORK = "select count(*) from jobs_step where state in ('claimed', 'fetching', 'checking')"
DRIVES = "select role, pid from jobs_worker where ended_at is null and seen_at > now() - interval '10 seconds'"
PLACES = "select count(distinct host) from jobs_worker where role = 'generation' and ended_at is null"
TAKEN_UP, DIED = "are taken up again", "after death"


class OnPostgres(Installation):
    """Its rows are read over a connection of the test's own, which an outage of its database does not touch."""

    server = ""

    def use(self, *, server: str, database: str, queue: str) -> None:
        self.server, self.database = server, database
        self.url = urlsplit(server)._replace(path=f"/{database}").geturl()
        self.environment |= {"VIDBATCH_DATABASE_URL": self.url, "VIDBATCH_REDIS_URL": queue}

    def rows(self, sql: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql.replace("?", "%s"), values).fetchall()

    def admin(self, sql: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Nobody has a connection to the database, and nobody gets one."""
        self.admin(f'alter database "{self.database}" with allow_connections false')
        self.admin(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self.database}'")
        yield
        self.admin(f'alter database "{self.database}" with allow_connections true')

    def are_both_driven(self, *, without: int = 0) -> bool:
        drives = dict(self.rows(DRIVES))
        return set(drives) == {"generation", "media"} and without not in drives.values()


@pytest.fixture
def shape(tmp_path, redis_url) -> Iterator[OnPostgres]:
    made = OnPostgres(tmp_path / "data")
    made.folder.mkdir()
    database = f"shape_{secrets.token_hex(4)}"
    made.use(server=os.environ["VIDBATCH_DATABASE_URL"], database=database, queue=redis_url)
    made.admin(f'create database "{database}"')
    try:
        yield made
    finally:
        made.end()
        made.admin(f'drop database "{database}" with (force)')


def test_a_batch_outlives_a_kill_a_lost_queue_and_a_database_that_goes_away(shape, redis_url):
    shape.start()
    assert not (shape.folder / "vidbatch.sqlite3").exists()
    small = shape.manage("shell", "-v", "0", "-c", SMALL)
    assert small.returncode == 0, small.stderr
    shape.wait_until(shape.are_both_driven, within_s=15, what="both drives")
    shape.launch()

    shape.wait_until(lambda: shape.one(AT_WORK), within_s=15, what="work")
    redis.Redis.from_url(redis_url).flushall()
    victim = dict(shape.rows(DRIVES))["generation"]
    kill(psutil.Process(victim))
    shape.wait_until(lambda: shape.are_both_driven(without=victim), within_s=20, what="a new drive")
    owned = "select count(*) from jobs_step s join jobs_worker w on w.uuid = s.owner where w.pid = %s"
    shape.wait_until(lambda: not shape.one(owned, victim), within_s=20, what="the recovery of what the victim had")
    taken_up = log_of(shape).count(TAKEN_UP)
    with shape.outage():
        shape.wait_until(lambda: "is kept until it does" in log_of(shape), within_s=20, what="a drive that noticed")
    shape.wait_until(shape.are_all_done, within_s=60, what="the end")

    assert_in_order(shape)
    assert log_of(shape).count(DIED) == 1, "a drive did not outlive the outage"  # only the victim died
    assert log_of(shape).count(TAKEN_UP) == taken_up, "the outage lost what drives had in hand"
    shape.signal()
    assert shape.wait(within_s=30 * SLACK) == 0, shape.account()
    assert shape.rows("select text from jobs_notice") == [], shape.account()


def test_two_installations_started_at_once_share_a_database_and_both_drive(shape, redis_url):
    other = OnPostgres(shape.folder.with_name("other"))
    other.folder.mkdir()
    other.use(server=shape.server, database=shape.database, queue=redis_url)
    try:
        for part in (shape, other):
            part.start("--only", "generation", wait=False)
        shape.wait_until(lambda: is_there(shape) and shape.one(PLACES) == 2, within_s=40, what="both drives")
        assert shape.one("select count(*) from auth_user") == 3
        assert "First start" in shape.said + other.said
    finally:
        other.end()


def is_there(shape: OnPostgres) -> bool:
    return shape.one("select to_regclass('jobs_worker') is not null")


def log_of(shape: OnPostgres) -> str:
    return "".join(path.read_text() for path in shape.folder.glob("logs/*.log"))
