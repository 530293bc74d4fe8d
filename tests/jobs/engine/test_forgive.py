from __future__ import annotations

import pytest

from jobs.engine import recovery, worker
from jobs.engine.booking import Booking
from jobs.engine.clock import now_utc
from jobs.engine.drive import Drive
from jobs.models import Step
from jobs.states import State
from tests.factories import a_batch
from tests.invariants import assert_invariants

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]


def break_off(self, found):
    raise LookupError("an error of the engine itself")


def run_into_it(monkeypatch) -> None:
    with monkeypatch.context() as broken, pytest.raises(LookupError):
        broken.setattr(Booking, "book", break_off)
        Drive("generation", slice_s=5).run()


def taken_up() -> Step:
    """The only step, after somebody else has looked at what is left."""
    other = worker.enlist("generation", now_utc())
    recovery.recover(other, now_utc())
    worker.let_go(str(other.pk))
    return Step.objects.get()


def test_a_drive_that_ends_by_its_own_error_blames_no_step(monkeypatch):
    a_batch("Why bread rises")
    run_into_it(monkeypatch)
    step = taken_up()
    assert (step.state, step.crash_count) == (State.READY, 0)
    assert_invariants()


@pytest.mark.slow
def test_an_answer_that_such_a_drive_kept_takes_the_crash_back_once_only(scene, monkeypatch):
    scene.batch(provider=scene.vendor("jobs"))
    run_into_it(monkeypatch)
    assert Step.objects.get().state == State.CLAIMED
    step = taken_up()  # from the spill file
    assert (step.state, step.crash_count) == (State.RUNNING, 0)
    scene.drive_until(lambda: not Step.objects.exclude(state=State.DONE).exists())
    scene.check()
