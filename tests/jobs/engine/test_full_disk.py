"""A disk that fills up between the answer and the file: what is paid for is kept."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from django.conf import settings

from jobs.engine import calls, fetching, settle, worker
from jobs.engine.claim import claim
from jobs.engine.failures import MOST_FAILURES
from jobs.engine.requests import Ticket
from jobs.models import Attempt, LedgerEntry, Notice, Step
from jobs.states import Reason, State
from providers import downloads
from providers.types import Capability
from tests.simulator_adapter import SimInstant

pytestmark = [pytest.mark.engine]


def an_answer(scene):
    scene.batch(provider=scene.vendor("instant"))
    me = worker.enlist("generation", datetime.now(UTC))
    (ticket,) = claim("sim_instant", me, 1, lambda: datetime.now(UTC)).tickets
    answer = calls.submit(ticket, lambda *_: None, Event())
    settle.settle_calls([answer], datetime.now(UTC))
    return answer


def full_for(monkeypatch, times):
    """The disk has no room for so many tries; a try is half a file."""
    tries, fill = iter(range(times)), downloads._fill

    def fill_or_fail(temp, output, source):
        for _ in tries:
            temp.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        fill(temp, output, source)

    monkeypatch.setattr(downloads, "_fill", fill_or_fail)
    monkeypatch.setattr(calls, "ROOM_AGAIN_S", 0.01)


def test_a_result_that_is_paid_for_takes_the_room_that_is_kept_for_other_things(scene, monkeypatch):
    monkeypatch.setattr(downloads, "free_bytes", lambda path: settings.MIN_FREE_BYTES - 1)
    (stored,) = an_answer(scene).files
    assert Path(settings.MEDIA_ROOT, stored.name).is_file()
    assert Step.objects.get().state == State.CHECKING


def test_a_result_that_is_paid_for_waits_for_room_and_is_bought_once(scene, monkeypatch):
    full_for(monkeypatch, 3)
    assert len(an_answer(scene).files) == 1
    assert Attempt.objects.get().outcome == "accepted"
    assert LedgerEntry.objects.filter(kind="settle").count() == len(scene.submits()) == 1
    assert not list(Path(settings.MEDIA_ROOT, downloads.TEMP_FOLDER).iterdir())


def test_a_download_without_room_is_nobodys_failure_however_long_it_waits(scene):
    scene.batch(provider=scene.vendor("instant"))
    step, now = Step.objects.get(), datetime.now(UTC)
    ticket = Ticket(step_id=step.pk, fence=step.fence, stage="script", slug="sim_instant", request=None, options={})
    full = calls.Answer(ticket=ticket, ended_at=now, error=downloads.DiskFull("The disk is full."))
    for _ in range(5 * MOST_FAILURES + 1):
        Step.objects.update(state=State.FETCHING, crash_count=1)
        fetching.settle_fetches([full], now)
    step.refresh_from_db()
    assert (step.state, step.failures, step.crash_count, step.message) == (State.FETCHING, 0, 0, "The disk is full.")
    assert step.not_before == now + fetching.ROOM_AGAIN
    assert Notice.objects.get().text == "The disk is full."


@pytest.mark.slow
def test_where_no_room_comes_before_the_call_must_end_a_person_decides_about_the_money(scene, monkeypatch):
    full_for(monkeypatch, 1000)
    monkeypatch.setattr(SimInstant, "deadline_s", {Capability.SCRIPT: 0.3})
    answer = an_answer(scene)
    assert isinstance(answer.error, downloads.DiskFull)
    step = Step.objects.get()
    assert (step.state, step.reason) == (State.ATTENTION, Reason.DECISION)
    assert "The disk is full" in step.message
    assert Attempt.objects.get().outcome == "unknown"
