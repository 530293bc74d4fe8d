from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

import pytest
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from jobs.engine import watch, worker
from jobs.engine.roles import stop_flag
from jobs.models import Attempt, Step, Worker
from jobs.states import State
from providers import registry
from providers.models import Lane, Price, Provider
from tests.factories import NOW, a_batch, a_provider
from tests.simulator_adapter import SimInstant
from vidbatch_site.supervisor import supervisor as module
from vidbatch_site.supervisor.children import Child, log_path
from vidbatch_site.supervisor.supervisor import Supervisor

pytestmark = pytest.mark.django_db


@pytest.fixture
def stopping(monkeypatch, settings, tmp_path):
    """A supervisor whose one child lives, without processes."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setenv(worker.HOST_VARIABLE, "")
    monkeypatch.setattr(registry, "_extra", {SimInstant.slug: SimInstant})
    said = []
    supervisor = Supervisor(["generation"], say=said.append)
    monkeypatch.setattr(Child, "is_alive", property(lambda child: True))
    supervisor.children = [Child(role="generation", leash=-1)]
    supervisor.said = said
    yield supervisor
    os.close(supervisor.leash)
    os.close(supervisor._kept)


def passing(monkeypatch, rounds):
    """Each nap runs the next of these, as the world goes on meanwhile."""
    left = iter(rounds)
    monkeypatch.setattr(module.time, "sleep", lambda seconds: next(left)())


def full_until(monkeypatch, has_room):
    """No new file can be made before that."""
    touch = Path.touch

    def touch_or_fail(path):
        if not has_room():
            raise OSError(errno.ENOSPC, "No space left on device")
        touch(path)

    monkeypatch.setattr(Path, "touch", touch_or_fail)


def a_paid_call():
    step = Step.objects.filter(batch=a_batch()).first()
    provider = a_provider(SimInstant.slug, micro=5)
    lane, price = Lane.objects.get(provider=provider), Price.objects.get(provider=provider)
    step.state = State.CLAIMED
    step.save()
    return Attempt.objects.create(
        step=step,
        no=1,
        provider=provider,
        lane=lane,
        capability="script",
        tag="t",
        request_hash="h",
        request={},
        price=price,
        sent_at=NOW,
        send_deadline=NOW,
    )


def test_it_waits_for_a_paid_call_and_says_how_many(stopping, monkeypatch):
    attempt, row = a_paid_call(), worker.enlist("generation", timezone.now())

    def end_the_call():
        Attempt.objects.filter(pk=attempt.pk).update(outcome=Attempt.Outcome.ACCEPTED)
        worker.let_go(str(row.pk))

    passing(monkeypatch, [lambda: None, lambda: None, end_the_call])
    assert stopping._wait_for_drives() is True
    assert stopping.said == ["Waiting for 1 paid call to end."]


def test_a_second_signal_ends_the_waiting(stopping, monkeypatch):
    a_paid_call()
    row = worker.enlist("generation", timezone.now())
    stopping.signals = 1
    passing(monkeypatch, [lambda: stopping._count(2, None)])
    assert stopping._wait_for_drives() is False
    worker.let_go(str(row.pk))


def test_a_drive_that_died_is_not_waited_for(stopping):
    Worker.objects.create(role="generation", host=worker.here(), boot_id="b", pid=1)
    assert stopping._wait_for_drives() is True


def test_each_role_has_a_stop_flag_of_its_own():
    assert stop_flag("generation") != stop_flag("media")


def test_a_local_call_under_way_is_not_counted_as_paid(stopping):
    attempt = a_paid_call()
    Attempt.objects.filter(pk=attempt.pk).update(provider=Provider.objects.get(slug="studio"))
    assert watch.paid_calls() == 0


def test_while_the_database_is_away_those_at_work_are_known_by_their_locks(stopping, monkeypatch):
    row, living, connects = worker.enlist("generation", timezone.now()), watch.living, []
    outages = iter([OperationalError("gone"), InterfaceError("closed")])

    def away_twice(role):
        for error in outages:
            raise error
        return living(role)

    monkeypatch.setattr(watch, "living", away_twice)
    monkeypatch.setattr(module, "close_old_connections", lambda: connects.append(1))
    assert [stopping._are_driving() for _ in range(3)] == [True, True, True]
    assert connects == [1, 1]
    worker.let_go(str(row.pk))
    assert stopping._are_driving() is False


def test_a_database_that_stays_away_keeps_nobody_waiting_for_a_drive_that_ended(stopping, monkeypatch):
    row = worker.enlist("generation", timezone.now())

    def away(role):
        raise OperationalError("gone")

    rounds = [lambda: None, lambda: worker.let_go(str(row.pk))]
    monkeypatch.setattr(watch, "living", away)
    monkeypatch.setattr(module, "close_old_connections", lambda: None)
    passing(monkeypatch, rounds)
    assert stopping._wait_for_drives() is True
    assert worker.is_dead(str(row.pk)), "it was not waited for"


def test_by_the_locks_alone_only_a_drive_is_at_work(settings, tmp_path):
    settings.LOCK_ROOT = tmp_path
    for name in ("instance-web", worker.driving_lock("generation"), worker.cluster_lock(str(uuid.uuid4()))):
        worker.hold(name)
    worker.lock_path(str(uuid.uuid4())).touch()  # of one that was killed
    assert worker.is_any_at_work() is False
    worker.enlist("media", timezone.now())
    assert worker.is_any_at_work() is True


def test_on_a_full_disk_the_log_gives_way_to_the_stop_flag(stopping, monkeypatch):
    monkeypatch.setattr(Child, "is_alive", property(lambda child: False))
    log_path("generation").write_text("much")
    full_until(monkeypatch, lambda: not log_path("generation").stat().st_size)
    assert stopping._stop() == 0
    assert stop_flag("generation").exists()
    assert stopping.said[1:] == ["Stopped."]


def test_without_room_for_the_stop_flag_it_waits_and_makes_it_when_there_is_some(stopping, monkeypatch):
    row, room = worker.enlist("generation", timezone.now()), []
    full_until(monkeypatch, lambda: room)

    def end_the_drive():
        assert stop_flag("generation").exists()
        worker.let_go(str(row.pk))
        monkeypatch.setattr(Child, "is_alive", property(lambda child: False))

    passing(monkeypatch, [lambda: None, lambda: room.append(1), lambda: None, end_the_drive])
    assert stopping._stop() == 0
    assert stopping.said[1:] == [
        "The file that stops generation cannot be made: make room on the disk, or end everything at once with Ctrl-C.",
        "Stopped.",
    ]


def test_the_name_of_the_host_is_taken_once(stopping, monkeypatch):
    row = worker.enlist("generation", timezone.now())
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    assert worker.here() == row.host
    assert watch.living("generation") == 1
    assert os.environ[worker.HOST_VARIABLE] == row.host.partition(":")[0]  # children get all of ours


def test_where_no_boot_has_an_id_another_name_is_no_other_boot(stopping, monkeypatch):
    def no_proc(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", no_proc)
    before = worker.boot_id()
    monkeypatch.setattr("platform.node", lambda: "another")
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    assert worker.boot_id() == before
