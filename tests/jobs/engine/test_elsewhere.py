"""Two installations, one database: what is another's is left alone; and a database that goes away for a moment."""

from __future__ import annotations

import shutil
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError

from jobs.engine import drive as drive_module
from jobs.engine import recovery, settle, watch, worker
from jobs.engine.drive import Drive
from jobs.engine.wake_ups import queue_name
from jobs.models import Attempt, Step, Worker
from jobs.states import State
from tests.factories import a_batch

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]


def a_worker_elsewhere() -> Worker:
    return Worker.objects.create(role="generation", host="vm:another", boot_id=worker.boot_id(), pid=1)


def test_a_drive_of_another_installation_is_not_taken_for_dead():
    a_batch("Why bread rises")
    other, now = a_worker_elsewhere(), datetime.now(UTC)
    Step.objects.update(state=State.FETCHING, owner=other.pk, lease_until=now + timedelta(seconds=60))
    assert recovery.recover(worker.enlist("generation", now), now) == 0
    assert watch.bury_dead("generation", now) == 0
    assert watch.living("generation") == 1  # the one that enlisted here


def test_a_drive_that_died_here_is_known_by_its_lock():
    now = datetime.now(UTC)
    Worker.objects.create(role="generation", host=worker.here(), boot_id=worker.boot_id(), pid=1)
    assert watch.bury_dead("generation", now) == 1


def test_a_copied_lock_folder_is_another_place_and_the_same_one_stays_the_same(tmp_path):
    original = tmp_path / "a"
    original.mkdir()
    named = worker._folder_id.__wrapped__
    first = named(original / worker.FOLDER_ID)
    shutil.copytree(original, tmp_path / "b")
    assert named(original / worker.FOLDER_ID) == first
    assert named(tmp_path / "b" / worker.FOLDER_ID) not in ("", first)


def test_a_queue_belongs_to_one_installation():
    mark = (Path(settings.LOCK_ROOT) / worker.FOLDER_ID).read_text().split()[1]
    assert queue_name("media").startswith("media@")
    assert queue_name("media").endswith(mark)


def test_another_installation_that_drives_keeps_no_watchdog_here_quiet():
    a_worker_elsewhere()
    assert watch.last_seen("generation") is None


def test_what_came_back_while_the_database_was_away_is_booked_when_it_is_back(monkeypatch):
    a_batch("Why bread rises")
    monkeypatch.setattr(drive_module, "ASK_AGAIN_S", 0.01)
    outages = iter([OperationalError("gone")] * 3)
    book = settle.settle_calls

    def away_three_times(answers, now):
        for error in outages:
            raise error
        return book(answers, now)

    monkeypatch.setattr(settle, "settle_calls", away_three_times)
    successors = []
    Drive("generation", slice_s=60, before_drain=lambda: successors.append(1)).run()
    step = Step.objects.order_by("pk").first()
    assert step.state in (State.CHECKING, State.FETCHING)
    assert [(a.outcome, a.ended_at is None) for a in Attempt.objects.filter(step=step)] == [("accepted", False)]
    assert successors == [1]  # the slice ended with the outage


def test_a_database_that_stays_away_ends_the_drive(monkeypatch):
    a_batch("Why bread rises")
    monkeypatch.setattr(drive_module, "ASK_AGAIN_S", 0.01)
    monkeypatch.setattr(drive_module, "AWAY_S", 0.05)

    def away(answers, now):
        raise OperationalError("gone")

    monkeypatch.setattr(settle, "settle_calls", away)
    drive = Drive("generation", slice_s=60)
    with pytest.raises(OperationalError):
        drive.run()
    assert worker.is_dead(str(drive.worker.pk))
    assert uuid.UUID(str(drive.worker.pk)) == Step.objects.order_by("pk").first().owner
