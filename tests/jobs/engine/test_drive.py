from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from django.db import InterfaceError, InternalError, OperationalError

from jobs.control import Cancel, cancel
from jobs.engine import assets, calls, drive, housekeeping, pool, settle, worker
from jobs.engine.claim import claim
from jobs.engine.drive import Drive
from jobs.engine.waits import Waits
from jobs.models import Attempt, Batch, Notice, Step, Video, Worker
from jobs.states import Reason, State
from providers import registry
from providers.exceptions import CallError, NotSent
from providers.models import Provider, Quota
from providers.types import Capability, Request
from tests.simulator_adapter import SimInstant

pytestmark = [pytest.mark.engine]


def all_done():
    return not Step.objects.exclude(state__in=(State.DONE, State.CANCELLED)).exists()


def test_a_provider_whose_adapter_is_gone_harms_nobody_else(scene):
    scene.batch(provider=scene.vendor("keyed"))
    other = scene.batch(provider=scene.vendor("jobs"))
    del registry._extra["sim_keyed"]
    scene.drive_until(lambda: not other.steps.exclude(state=State.DONE).exists())
    assert Step.objects.exclude(batch=other).get().state == State.READY


def test_a_suspect_that_may_not_start_keeps_nobody_waiting(scene):
    provider = scene.vendor("jobs", latency_s=[0.2, 0.3])
    held = scene.batch(provider=provider)
    Batch.objects.filter(pk=held.pk).update(paused_at=datetime.now(UTC))
    Step.objects.update(crash_count=1)
    scene.batch("a", "b", "c", provider=provider)
    mine = Drive("generation", slice_s=60)
    scene.drives = [mine]
    assert mine.suspects.look(datetime.now(UTC)) == []
    mine.step_once()
    assert Attempt.objects.count() == 3


@pytest.mark.slow
def test_providers_without_a_quota_take_turns_at_the_threads(scene):
    first, second = scene.vendor("instant", latency_s=[0.05, 0.1]), scene.vendor("keyed", latency_s=[0.05, 0.1])
    batches = [scene.batch(*"abcdefgh", provider=provider) for provider in (first, second)]
    mine = Drive("generation", slice_s=60)
    mine.pool.size = 2
    scene.drives = [mine]
    scene.drive_until(lambda: Attempt.objects.count() >= 8)
    made = [batch.steps.exclude(state=State.READY).count() for batch in batches]
    assert min(made) >= 3, made


@pytest.mark.slow
def test_a_job_that_is_paid_for_comes_home_before_new_calls_take_the_threads(scene):
    jobs = scene.batch(provider=scene.vendor("jobs", latency_s=[0.05, 0.1]))
    scene.drive_until(Step.objects.filter(state=State.RUNNING).exists)
    scene.drives[0].pool.size = 1
    others = scene.batch(*"abcdefghijklmnop", provider=scene.vendor("instant", latency_s=[0.1, 0.2]))
    scene.drive_until(lambda: not jobs.steps.filter(state=State.RUNNING).exists())
    assert others.steps.filter(state=State.READY).count() >= 8


def test_where_there_is_no_room_for_more_a_round_looks_once(scene, monkeypatch):
    provider = scene.vendor("instant")
    Quota.objects.create(provider=provider, unit="requests", amount=1, window_s=600)
    scene.batch("a", "b", provider=provider)
    mine = Drive("generation", slice_s=60)
    scene.drives = [mine]
    scene.drive_until(lambda: Attempt.objects.exclude(ended_at=None).exists())
    looks = []
    monkeypatch.setattr(drive, "claim", lambda *args, **kwargs: looks.append(args) or claim(*args, **kwargs))
    mine.waits = Waits()
    mine.waits.freed = 1
    mine.step_once()
    assert len(looks) == 1


@pytest.mark.slow
def test_a_suspect_runs_with_nothing_beside_it(scene):
    provider = scene.vendor("instant", latency_s=[0.1, 0.2])
    scene.batch("a", "b", "c", provider=provider)
    Step.objects.filter(video__position=2).update(crash_count=1)
    mine = Drive("generation", slice_s=60)
    scene.drives = [mine]
    mine.step_once()
    assert [a.step.video.position for a in Attempt.objects.all()] == [2]
    scene.drive_until(lambda: Attempt.objects.filter(ended_at=None).count() == 0 and Attempt.objects.count() == 3)


def test_a_result_that_cannot_be_booked_harms_only_its_own_step(scene, monkeypatch):
    scene.batch("a", "b", "c", provider=scene.vendor("instant"))
    create = assets.create
    poor = Video.objects.get(position=2)

    def break_off(made, now):
        if any(step.video_id == poor.pk for step, _ in made):
            raise ValueError("what a mess")
        create(made, now)

    monkeypatch.setattr(assets, "create", break_off)
    ended = (State.DONE, State.ATTENTION)
    scene.drive_until(lambda: Step.objects.filter(state__in=ended).count() == 3)
    step = Step.objects.get(video=poor)
    assert (step.state, step.reason) == (State.ATTENTION, Reason.DECISION)
    assert "what a mess" in step.message
    scene.check()


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, InternalError])
def test_a_database_that_is_away_or_takes_no_writes_blames_no_result(error):
    def away(results, now):
        raise error("gone")

    with pytest.raises(error):
        settle.book_each(away, ["anything"], datetime.now(UTC))


@pytest.mark.slow
def test_a_drive_that_an_error_has_ended_says_that_it_lives_while_its_calls_are_out(scene, monkeypatch):
    """The watchdog ends a cluster that says nothing, and every call with it."""

    def break_off(*args, **kwargs):
        raise ValueError("what a mess")

    scene.batch(provider=scene.vendor("instant", latency_s=[2.0, 2.0]))
    successors = []
    mine = Drive("generation", slice_s=60, before_drain=lambda: successors.append(1))
    while not Attempt.objects.exclude(on_wire_at=None).exists():
        mine.step_once()
    monkeypatch.setattr(housekeeping, "SEEN_EVERY_S", 0.1)
    monkeypatch.setattr(pool, "MEANWHILE_S", 0.1)
    monkeypatch.setattr(mine, "_round", break_off)
    began = datetime.now(UTC)
    with pytest.raises(ValueError, match="what a mess"):
        mine.run()
    row = Worker.objects.get(pk=mine.worker.pk)
    assert row.seen_at > began + timedelta(seconds=0.8)
    assert (row.erred, row.draining, successors) == (True, False, [1])
    scene.drive_until(all_done)
    assert len(scene.submits()) == 1
    scene.check()


def test_a_result_that_cannot_even_be_set_aside_keeps_no_other_from_being_booked(scene, monkeypatch):
    scene.batch("a", "b", provider=scene.vendor("instant"))
    me, now = worker.enlist("generation", datetime.now(UTC)), datetime.now(UTC)
    bad, good = [
        calls.Answer(ticket=ticket, ended_at=now, error=NotSent("Not there."))
        for ticket in claim("sim_instant", me, 2, lambda: now).tickets
    ]

    def break_off(*args):
        raise ValueError("what a mess")

    def book(answers, now):
        if bad in answers:
            break_off()
        settle.settle_calls(answers, now)

    monkeypatch.setattr(settle, "set_aside", break_off)
    assert settle.book_each(book, [bad, good], now) == [bad]
    assert Step.objects.get(pk=bad.ticket.step_id).state == State.CLAIMED
    assert Step.objects.get(pk=good.ticket.step_id).state == State.READY
    worker.let_go(str(me.pk))


def test_a_full_disk_lets_nothing_new_begin_and_says_so_once(scene, monkeypatch):
    scene.batch(provider=scene.vendor("instant"))
    monkeypatch.setattr(housekeeping.downloads, "free_bytes", lambda path: 5)
    mine = Drive("generation", slice_s=60)
    scene.drives = [mine]
    mine.step_once()
    mine.step_once()
    assert not Attempt.objects.exists()
    assert Notice.objects.count() == 1
    monkeypatch.undo()


@pytest.mark.slow
def test_a_pause_lets_what_is_out_come_home(scene):
    provider = scene.vendor("jobs", latency_s=[0.2, 0.3])
    batch = scene.batch("a", "b", provider=provider)
    scene.drive_until(lambda: Step.objects.filter(state=State.RUNNING).count() == 2)
    Batch.objects.filter(pk=batch.pk).update(paused_at=datetime.now(UTC))
    scene.drive_until(all_done)
    assert len(scene.submits()) == 2
    scene.check()


def test_cancelling_everything_ends_the_job_at_the_vendor_and_books_no_bill(scene):
    batch = scene.batch(provider=scene.vendor("jobs", latency_s=[30, 31]))
    scene.drive_until(Step.objects.filter(state=State.RUNNING).exists)
    cancel(batch, Cancel.EVERYTHING, datetime.now(UTC))
    scene.drive_until(all_done)
    assert Step.objects.get().state == State.CANCELLED
    assert scene.books()["bills"][0]["state"] == "cancelled"
    scene.check()


def test_a_thread_that_comes_too_late_does_not_send(scene):
    scene.batch(provider=scene.vendor("instant"))
    me = worker.enlist("generation", datetime.now(UTC))
    ticket = claim("sim_instant", me, 1, lambda: datetime.now(UTC)).tickets[0]
    late = replace(ticket, send_by=datetime.now(UTC) - timedelta(seconds=1))
    answer = calls.submit(late, lambda *_: None, Event())
    settle.settle_calls([answer], datetime.now(UTC))
    assert scene.submits() == []
    assert Attempt.objects.get().outcome == "not_sent"
    worker.let_go(str(me.pk))


def test_the_end_of_a_drive_frees_its_lock_after_its_threads(scene, monkeypatch):
    scene.batch(provider=scene.vendor("instant"))
    mine = Drive("generation", slice_s=60)
    monkeypatch.setattr(mine, "_is_over", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        mine.run()
    assert worker.is_dead(str(mine.worker.pk))
    assert Worker.objects.get(pk=mine.worker.pk).ended_at


def test_one_submit_is_one_request(scene, monkeypatch):
    """Whatever the vendor answers."""
    for fault in ("429", "500_before", "503_before", "504_after", "400", "lose_before_accept"):
        before = len(scene.sim.books()["requests"])
        scene.sim.control("instant", calm=True, next=[fault])
        request = Request(capability=Capability.SCRIPT, offer="one", prompt="x", tag=f"tag-{fault}")
        with pytest.raises(CallError):
            SimInstant(workdir=Path("/tmp"), base_url=f"{scene.sim.url}/instant").submit(request)
        assert len(scene.sim.books()["requests"]) == before + 1
    assert not Provider.objects.exists()
