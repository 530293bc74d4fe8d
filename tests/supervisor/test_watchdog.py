from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from django_q.models import OrmQ

from jobs.engine import watch, worker
from jobs.engine.wake_ups import queue_name
from jobs.models import Notice, Step, Worker
from jobs.states import State
from jobs.tasks import enqueue
from tests.factories import a_batch
from vidbatch_site.supervisor import watchdog
from vidbatch_site.supervisor.watchdog import Watchdog

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _one_connection(monkeypatch):
    """A test's transaction is its connection's."""
    monkeypatch.setattr(watchdog, "close_old_connections", lambda: None)


class Scene:
    """A watchdog with a clock of its own."""

    def __init__(self, role="generation"):
        self.seconds, self.restarts = 0.0, 0
        self.dog = Watchdog(role, restart=self.restart, tick=lambda: self.seconds)

    def restart(self):
        self.restarts += 1

    def after(self, seconds):
        self.seconds += seconds
        self.dog.look()
        return self


def wake_ups(role="generation"):
    return OrmQ.objects.filter(key=queue_name(role)).count()


def test_work_that_nobody_drives_for_15_s_is_woken_once_and_said():
    a_batch()
    scene = Scene().after(0).after(14)
    assert (wake_ups(), Notice.objects.count()) == (0, 0)
    scene.after(2)
    scene.after(2)
    assert wake_ups() == 1
    assert [notice.text for notice in Notice.objects.all()] == ["Nobody worked on generation for 16 s; it was woken."]
    assert scene.restarts == 0


def test_a_cluster_that_is_deaf_for_30_s_is_restarted_once_and_said():
    a_batch()
    scene = Scene().after(0).after(16).after(15).after(2)
    assert scene.restarts == 1
    assert "started anew" in Notice.objects.first().text


def test_a_drive_that_is_seen_now_and_then_is_left_alone():
    a_batch()
    row = worker.enlist("generation", timezone.now())
    scene = Scene()
    for second in range(10):
        Worker.objects.filter(pk=row.pk).update(seen_at=timezone.now() + timedelta(seconds=second), draining=True)
        scene.after(10)
    worker.let_go(str(row.pk))
    assert (scene.restarts, Notice.objects.count(), wake_ups()) == (0, 0, 0)


def test_one_that_has_ended_and_was_seen_in_what_is_to_come_hides_nobody():
    """Its clock was a minute ahead, and was put right while nobody was here."""
    a_batch()
    Worker.objects.create(
        role="generation",
        host=worker.here(),
        boot_id="b",
        pid=1,
        seen_at=timezone.now() + timedelta(seconds=200),
        ended_at=timezone.now(),
    )
    row = worker.enlist("generation", timezone.now())
    scene = Scene()
    for second in range(10):
        Worker.objects.filter(pk=row.pk).update(seen_at=timezone.now() + timedelta(seconds=second))
        scene.after(10)
    worker.let_go(str(row.pk))
    assert scene.restarts == 0


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_does_not_answer_restarts_nothing(monkeypatch, error):
    a_batch()
    scene = Scene().after(0).after(16)

    def away(*args):
        raise error("gone")

    with monkeypatch.context() as patched:
        patched.setattr(watch, "last_seen", away)
        scene.after(20)
    assert scene.after(2).restarts == 0


def test_nothing_due_means_no_alarm():
    scene = Scene().after(0).after(100).after(100)
    assert (scene.restarts, Notice.objects.count(), wake_ups()) == (0, 0, 0)


def test_a_drive_that_died_is_followed_at_once_without_a_notice():
    row = worker.enlist("generation", timezone.now())
    worker.let_go(str(row.pk))  # as if the process had died
    Scene().after(0)
    row.refresh_from_db()
    assert row.ended_at is not None
    assert (wake_ups(), Notice.objects.count()) == (1, 0)


def test_a_drive_whose_death_another_saw_first_is_followed_at_once_too():
    row = worker.enlist("generation", timezone.now())
    scene = Scene().after(0)
    worker.let_go(str(row.pk))  # as if the process had died
    Worker.objects.filter(pk=row.pk).update(ended_at=timezone.now())
    scene.after(2).after(2)
    assert (wake_ups(), Notice.objects.count()) == (1, 0)


def test_a_drive_that_lived_and_died_between_two_looks_is_followed_at_once_too():
    scene = Scene().after(0)
    row = worker.enlist("generation", timezone.now())
    worker.let_go(str(row.pk))
    Worker.objects.filter(pk=row.pk).update(ended_at=timezone.now())
    scene.after(2).after(2)
    assert (wake_ups(), Notice.objects.count()) == (1, 0)


def test_a_drive_that_ended_in_order_between_two_looks_calls_nobody():
    scene = Scene().after(0)
    row = worker.enlist("generation", timezone.now())
    worker.let_go(str(row.pk))
    Worker.objects.filter(pk=row.pk).update(ended_at=timezone.now(), draining=True)
    scene.after(2).after(2)
    assert wake_ups() == 0


def test_a_drive_that_has_its_successor_is_not_followed_twice():
    first = worker.enlist("generation", timezone.now())
    scene = Scene().after(0)
    second = worker.enlist("generation", timezone.now())
    Worker.objects.filter(pk=first.pk).update(ended_at=timezone.now(), draining=True)
    worker.let_go(str(first.pk))
    scene.after(2)
    assert wake_ups() == 0
    worker.let_go(str(second.pk))


def test_a_wake_up_that_still_waits_is_not_doubled():
    a_batch()
    scene = Scene().after(0)
    enqueue("generation")
    OrmQ.objects.update(lock=timezone.now() - timedelta(seconds=1))
    scene.after(16)
    assert wake_ups() == 1


def test_work_is_due_for_the_role_that_can_move_it():
    batch = a_batch()
    now = timezone.now()
    assert (watch.work_is_due("generation", now), watch.work_is_due("media", now)) == (True, False)
    Step.objects.filter(batch=batch).update(state=State.CHECKING)
    assert (watch.work_is_due("generation", now), watch.work_is_due("media", now)) == (False, True)
    Step.objects.filter(batch=batch).update(state=State.ATTENTION)
    assert (watch.work_is_due("generation", now), watch.work_is_due("media", now)) == (False, False)
