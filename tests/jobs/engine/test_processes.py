"""Real processes on one database: races, quotas, and death at named places."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime

import pytest
from django.db import connection

from jobs.engine import recovery, worker
from jobs.engine.claim import claim
from jobs.models import Attempt, Budget, Step, Worker
from jobs.states import Reason, State
from providers.models import Lane, Quota
from providers.types import Recovery
from tests.invariants import assert_invariants
from tests.simulator_adapter import EVERYTHING, URL_VARIABLE, SimInstant

pytestmark = [pytest.mark.engine, pytest.mark.slow]
POINTS = ("after_claim", "before_send", "after_send", "before_settle", "after_settle")
ACCEPTED = {"after_send", "before_settle", "after_settle"}  # the vendor has it by then
IS_DONE = (State.DONE, State.CANCELLED)


@pytest.fixture
def start(scene, child_environment):
    children = []

    def start(point="", **environment):
        variables = {**child_environment, URL_VARIABLE: scene.sim.url, **environment}
        command = [sys.executable, "-m", "tests.jobs.engine.a_drive", *([point] if point else [])]
        children.append(subprocess.Popen(command, env=variables))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()


def all_done():
    return not Step.objects.exclude(state__in=IS_DONE).exists()


def test_two_processes_buy_everything_once_and_keep_every_limit(scene, start):
    provider = scene.vendor("jobs", limits=[{"requests": 4, "per_s": 1.0}], concurrency=3, latency_s=[0.05, 0.1])
    # a machine that is busy delays what was sent: so our window is a little longer than theirs
    Quota.objects.create(provider=provider, amount=3, window_s=1)
    Lane.objects.update(max_in_flight=3)
    scene.batch(*(f"topic {n}" for n in range(9)), provider=provider)
    children = [start(), start()]
    assert [child.wait(60) for child in children] == [0, 0]
    scene.drive_until(all_done)
    books = scene.books()
    assert len(books["bills"]) == 9
    assert set(scene.verdicts()) == {"accepted"}
    assert len(Worker.objects.all()) >= 2
    scene.check()


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("vendor", ["instant", "keyed", "jobs"])
def test_a_death_loses_nothing_and_buys_nothing_twice(scene, start, vendor, point):
    provider = scene.vendor(vendor)
    scene.batch(provider=provider)
    assert start(point).wait(30) == -signal.SIGKILL
    blind = vendor == "instant" and point != "after_settle"
    scene.drive_until(Step.objects.filter(state=State.ATTENTION).exists if blind else all_done)
    step = Step.objects.get()
    assert step.reason == (Reason.DECISION if blind else "")
    assert len(scene.books()["bills"]) == (1 if point in ACCEPTED or not blind else 0)
    assert_invariants(books=scene.books())
    scene.check()


def test_work_that_costs_nothing_is_taken_up_at_once_and_set_aside_after_two_deaths(scene, start, monkeypatch):
    monkeypatch.setattr(SimInstant, "recovery", dict.fromkeys(EVERYTHING, Recovery.FREE))
    scene.batch(provider=scene.vendor("instant"))
    for deaths in (1, 2):
        assert start("before_send", VIDBATCH_TEST_FREE="1").wait(30) == -signal.SIGKILL
        me = worker.enlist("media", datetime.now(UTC))
        assert recovery.recover(me, datetime.now(UTC)) == 1
        worker.let_go(str(me.pk))
        step = Step.objects.get()
        assert (step.crash_count, step.state) == (deaths, State.READY if deaths == 1 else State.ATTENTION)
    assert step.reason == Reason.POISON
    assert Attempt.objects.filter(outcome="not_sent").count() == 2
    assert_invariants()


def test_no_step_is_to_blame_when_the_whole_cluster_died(scene, start, monkeypatch):
    monkeypatch.setattr(SimInstant, "recovery", dict.fromkeys(EVERYTHING, Recovery.FREE))
    scene.batch(provider=scene.vendor("instant"))
    for _ in range(3):
        gone = {worker.CLUSTER_VARIABLE: str(uuid.uuid4())}  # nobody holds the lock of this one
        assert start("before_send", VIDBATCH_TEST_FREE="1", **gone).wait(30) == -signal.SIGKILL
    scene.drive_until(all_done)
    assert len(scene.submits()) == 1
    scene.check()


def test_a_living_owner_keeps_its_steps(scene):
    scene.batch(provider=scene.vendor("jobs"))
    me, now = worker.enlist("generation", datetime.now(UTC)), datetime.now(UTC)
    other = worker.enlist("generation", now)
    claim("sim_jobs", me, 1, lambda: datetime.now(UTC))
    assert recovery.recover(other, datetime.now(UTC)) == 0
    worker.release(str(me.pk))
    assert recovery.recover(other, datetime.now(UTC)) == 1
    worker.let_go(str(other.pk))


def test_sixteen_claims_at_once_never_pass_the_cap(scene):
    provider = scene.vendor("jobs")
    batch = scene.batch(*(f"topic {n}" for n in range(40)), provider=provider, cap_micro=17_500)
    workers = [worker.enlist("generation", datetime.now(UTC)) for _ in range(16)]
    won, trouble, ready = [], [], threading.Barrier(16)

    def race(me):
        try:
            ready.wait(10)
            for _ in range(3):
                won.extend(t.step_id for t in claim("sim_jobs", me, 1, lambda: datetime.now(UTC)).tickets)
        except Exception as error:
            trouble.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(me,)) for me in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for me in workers:
        worker.let_go(str(me.pk))
    assert trouble == []
    assert len(won) == len(set(won)) == 17
    budget = Budget.objects.get(batch=batch)
    assert (budget.reserved_micro, budget.cap_micro) == (17_000, 17_500)
    assert_invariants()
