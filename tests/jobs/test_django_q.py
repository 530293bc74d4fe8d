"""What is weak in django-q2, provoked one by one: a message that is lost, doubled, late or of an earlier life, a drive
that fails, settings that would end or repeat one. What takes processes is in tests/supervisor/test_wake_ups.py."""

from __future__ import annotations

import fcntl
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings as site
from django.db import DatabaseError
from django_q import monitor, pusher
from django_q import worker as executor
from django_q.brokers import get_broker
from django_q.models import OrmQ, Schedule, Task

from jobs import checks, tasks
from jobs.engine import drive, watch, worker
from jobs.engine.wake_ups import queue_name
from jobs.models import Worker
from vidbatch_site import settings as shipped

pytestmark = pytest.mark.django_db
ROOT = Path(site.BASE_DIR)


@pytest.fixture(autouse=True)
def _one_connection(monkeypatch):
    """A test's transaction is its connection's."""
    for module in (executor, monitor):
        monkeypatch.setattr(module, "close_old_django_connections", lambda: None)


def work_off(role="generation"):
    """What a cluster does with what is queued for it, in this process."""
    broker, over = get_broker(role), multiprocessing.Event()
    tasks_in, results = multiprocessing.Queue(), multiprocessing.Queue()
    timer = multiprocessing.Value("f", -1)
    over.set()  # after one look
    pusher.pusher(tasks_in, over, broker)
    tasks_in.put("STOP")
    executor.worker(tasks_in, results, timer)
    results.put("STOP")
    monitor.monitor(results, broker)
    for queue in (tasks_in, results):
        queue.close()
        queue.join_thread()


def as_old(seconds: float) -> None:
    """As if what waits had waited for so long."""
    OrmQ.objects.update(lock=datetime.now(UTC) - timedelta(seconds=seconds))


# -- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_drive_that_fails_is_not_run_again_and_again(monkeypatch):
    """As delivered, a task that failed comes back after `retry`, for ever."""
    tried = []
    monkeypatch.setattr(drive, "Drive", lambda *args, **options: tried.append(1) or 1 / 0)
    tasks.enqueue("generation")
    as_old(1)
    work_off()
    assert (len(tried), OrmQ.objects.count()) == (1, 0)
    work_off()
    assert len(tried) == 1
    assert "division by zero" in Task.objects.get().result


def test_a_message_that_comes_twice_starts_no_second_drive(monkeypatch):
    monkeypatch.setattr(tasks, "PATIENCE_S", 0.05)
    begun = []
    monkeypatch.setattr(drive, "Drive", lambda *args, **options: begun.append(1) or 1 / 0)
    with worker.lock_path(worker.driving_lock("generation")).open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)  # another process drives
        for _ in range(2):
            tasks.enqueue("generation")
        as_old(1)
        work_off()
        work_off()
    assert (begun, OrmQ.objects.count(), Worker.objects.count()) == ([], 0, 0)
    assert all(Task.objects.values_list("success", flat=True))


@pytest.mark.slow
def test_a_message_is_for_its_own_role_only(monkeypatch):
    tasks.enqueue("media")
    as_old(1)
    work_off("generation")
    assert OrmQ.objects.filter(key=queue_name("media")).count() == 1


def test_messages_of_an_earlier_life_are_cleared_also_those_that_were_taken():
    for _ in range(8):
        tasks.enqueue("generation")
    as_old(1)
    get_broker("generation").dequeue()
    watch.clear_queue("generation")
    assert OrmQ.objects.count() == 0


def test_a_queue_that_does_not_answer_stops_nobody(monkeypatch):
    def away(*args, **options):
        raise DatabaseError("gone")

    monkeypatch.setattr(tasks, "async_task", away)
    tasks.enqueue("generation")


# -- settings ----------------------------------------------------------------------------------------------------------


def test_a_drive_cannot_outlast_the_time_after_which_django_q_would_start_it_again():
    """A task longer than `retry` was started three times."""
    for cluster in (site.Q_CLUSTER, *site.Q_CLUSTER["ALT_CLUSTERS"].values()):
        assert site.DRIVE_SLICE_S + site.LONGEST_CALL_S < cluster["timeout"] < cluster["retry"]
        assert (cluster["max_attempts"], cluster["ack_failures"]) == (1, True)


def test_a_slice_as_long_as_the_retry_is_refused(settings):
    settings.DRIVE_SLICE_S = site.Q_CLUSTER["retry"]
    assert {message.id for message in checks.clusters_fit(None)} == {"jobs.E003"}


def test_nothing_is_timed_by_its_schedule():
    """One for every minute fires about 24 s late."""
    assert not any(c["scheduler"] for c in (site.Q_CLUSTER, *site.Q_CLUSTER["ALT_CLUSTERS"].values()))
    assert not Schedule.objects.exists()
    sources = [
        path for package in ("jobs", "providers", "qc", "vidbatch_site") for path in (ROOT / package).rglob("*.py")
    ]
    assert [path.name for path in sources if "django_q.tasks import schedule" in path.read_text()] == []


def test_sqlite_as_shipped_is_in_order():
    assert checks.sqlite_can_be_shared(None) == []
    if site.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        assert "WAL" in shipped.DATABASES["default"]["OPTIONS"]["init_command"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("transaction_mode", "DEFERRED"), ("transaction_mode", None), ("init_command", ""), ("timeout", 0)],
)
def test_an_sqlite_on_which_its_queue_would_find_the_database_locked_is_refused(monkeypatch, option, value):
    """Without WAL and IMMEDIATE: 148 of 600 tasks."""
    options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL;"}
    assert checked(monkeypatch, options) == []
    (message,) = checked(monkeypatch, {**options, option: value})
    assert message.id == "jobs.E007"
    assert option in message.hint


def checked(monkeypatch, options):
    database = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": options}
    monkeypatch.setattr(checks, "settings", SimpleNamespace(DATABASES={"default": database}))
    return checks.sqlite_can_be_shared(None)
