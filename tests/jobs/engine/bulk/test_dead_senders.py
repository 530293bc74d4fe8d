"""Bulk jobs whose sender died, and answers that come when somebody else has the job."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import bulk_claim, bulk_settle, bulk_take, watch
from jobs.engine import worker as workers
from jobs.models import BulkJob
from providers.types import Bulk, BulkState

from .conftest import SLOW, all_done, has, in_bulk, seller

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def taken_by_somebody_dead(state, **values) -> BulkJob:
    job = BulkJob.objects.get()
    later = datetime.now(UTC) + timedelta(hours=1)
    BulkJob.objects.update(state=state, owner=uuid.uuid4(), lease_until=later, fence=job.fence + 1, **values)
    return job


def test_the_job_of_a_dead_sender_is_looked_for_and_of_a_living_one_left_alone(scene, monkeypatch):
    monkeypatch.setattr(bulk_claim, "FILL_S", 60)
    in_bulk(scene, seller(scene))
    scene.drive_until(has(lines=3))
    job, now = taken_by_somebody_dead(BulkJob.State.SENDING, sent_at=datetime.now(UTC)), datetime.now(UTC)
    me = workers.enlist("generation", now)
    owner = BulkJob.objects.get().owner
    monkeypatch.setattr(bulk_take.recovery, "is_dead", lambda one: False)
    bulk_take.free_dead(me, now)
    assert BulkJob.objects.get().owner == owner
    monkeypatch.setattr(bulk_take.recovery, "is_dead", lambda one: one == owner)
    bulk_take.free_dead(me, now)
    job.refresh_from_db()
    assert (job.state, job.owner) == (BulkJob.State.UNKNOWN, None)
    workers.let_go(str(me.pk))


def test_of_one_elsewhere_it_is_concluded_only_after_a_quiet_period(scene, monkeypatch):
    monkeypatch.setattr(bulk_claim, "FILL_S", 60)
    in_bulk(scene, seller(scene))
    scene.drive_until(has(lines=3))
    taken_by_somebody_dead(BulkJob.State.SENDING, sent_at=datetime.now(UTC))
    monkeypatch.setattr(bulk_take.recovery, "is_dead", lambda one: False)
    job, me = BulkJob.objects.get(), workers.enlist("generation", datetime.now(UTC))
    bulk_take.free_dead(me, job.lease_until + timedelta(minutes=5))
    assert BulkJob.objects.get().owner
    bulk_take.free_dead(me, job.lease_until + timedelta(minutes=7))
    assert BulkJob.objects.get().state == BulkJob.State.UNKNOWN
    workers.let_go(str(me.pk))


def test_of_one_that_lives_here_nothing_is_concluded_however_far_the_clock_leaps(scene, monkeypatch):
    monkeypatch.setattr(bulk_claim, "FILL_S", 60)
    in_bulk(scene, seller(scene))
    scene.drive_until(has(lines=3))
    taken_by_somebody_dead(BulkJob.State.SENDING, sent_at=datetime.now(UTC))
    me = workers.enlist("generation", datetime.now(UTC))
    BulkJob.objects.update(owner=me.pk)
    bulk_take.free_dead(me, datetime.now(UTC) + timedelta(days=1))
    assert BulkJob.objects.get().owner == me.pk
    workers.let_go(str(me.pk))


def test_an_answer_that_comes_after_its_sender_was_given_up_is_taken_while_it_is_looked_for(scene, monkeypatch):
    in_bulk(scene, seller(scene, **SLOW))
    scene.drive_until(has(state=BulkJob.State.RUNNING))
    job = BulkJob.objects.get()
    BulkJob.objects.update(state=BulkJob.State.UNKNOWN, external_id="", fence=job.fence + 3, next_at=None)
    order = bulk_take.Order(
        act=bulk_take.Act.CREATE,
        job_id=job.pk,
        fence=job.fence,
        ticket=bulk_take.ticket_of(job),
        capability="script",
        tag=job.tag,
    )
    found = Bulk(external_id=job.external_id, state=BulkState.RUNNING, created_at=datetime.now(UTC))
    bulk_settle.settle([bulk_settle.Told(order=order, bulk=found)], datetime.now(UTC))
    again = BulkJob.objects.get()
    assert (again.state, again.external_id) == (BulkJob.State.RUNNING, job.external_id)


def test_trouble_with_asking_is_forgotten_once_there_is_an_answer(scene):
    in_bulk(scene, seller(scene, **SLOW))
    scene.drive_until(has(state=BulkJob.State.RUNNING))
    BulkJob.objects.update(message="Simulator, in bulk did not answer in time.")
    scene.drive_until(has(message=""))
    assert BulkJob.objects.get().state == BulkJob.State.RUNNING


def test_a_job_whose_lines_are_all_booked_is_ended_by_the_next_drive(scene):
    in_bulk(scene, seller(scene))
    scene.drive_until(all_done)
    now = datetime.now(UTC)
    assert not watch.work_is_due("generation", now)
    BulkJob.objects.update(state=BulkJob.State.READING, next_at=now)  # as a process leaves it that dies just then
    assert watch.work_is_due("generation", now)
    scene.drive_until(all_done)
    assert not watch.work_is_due("generation", datetime.now(UTC))


def test_a_stale_poll_changes_nothing(scene):
    in_bulk(scene, seller(scene, **SLOW))
    scene.drive_until(has(state=BulkJob.State.RUNNING))
    job = BulkJob.objects.get()
    order = bulk_take.Order(
        act=bulk_take.Act.POLL,
        job_id=job.pk,
        fence=job.fence - 1,
        ticket=bulk_take.ticket_of(job),
        capability="script",
        tag=job.tag,
    )
    told = bulk_settle.Told(order=order, error=ValueError("old"))
    bulk_settle.settle([told], datetime.now(UTC))
    assert BulkJob.objects.get().message == ""
