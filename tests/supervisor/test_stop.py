from __future__ import annotations

import os

import pytest
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
from vidbatch_site.supervisor.children import Child
from vidbatch_site.supervisor.supervisor import Supervisor

pytestmark = pytest.mark.django_db


@pytest.fixture
def stopping(monkeypatch):
    """A supervisor whose one child lives, without processes."""
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
