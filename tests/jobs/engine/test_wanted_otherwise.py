"""What somebody changed while a call for it was out is not sent again as it was."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobs.advance import advance
from jobs.engine import recovery, settle, worker
from jobs.models import Attempt, Batch, Step, Video
from jobs.states import State
from providers import registry
from providers.exceptions import HeldBack, NotSent, RateLimited, Unknown
from providers.types import Failed, Recovery
from tests.invariants import assert_invariants

from .listed_vendor import Blind, answered, claimed, of_listed

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

COMES_BACK = [
    {"error": RateLimited("Slow down.", retry_after_s=1)},
    {"error": HeldBack("Too late.")},
    {"error": NotSent("Nobody there.")},
    {"error": Unknown("It never answered.")},  # within the allowance
    {"failed": Failed(reason="It broke.")},
]


@pytest.fixture(autouse=True)
def vendor():
    registry.register(Blind)
    yield
    registry._extra.pop("listed", None)


@pytest.fixture
def batch() -> Batch:
    return of_listed()


def somebody_changes_it() -> None:
    Video.objects.update(notes="In another way.")
    advance(Video.objects.values_list("pk", flat=True), NOW)


def sent(*, accepted: bool = False):
    me = worker.enlist("generation", NOW)
    [ticket] = claimed(NOW, by=me)
    worker.let_go(str(me.pk))
    if accepted:
        settle.settle_calls([answered(ticket, NOW, accepted_id="job-1")], NOW)
    return ticket


def assert_only_the_new_one_is_made() -> None:
    old, new = Step.objects.order_by("round")
    assert (old.state, new.state) == (State.CANCELLED, State.READY)
    assert old.wanted != new.wanted
    assert_invariants(files=False, now=NOW)


@pytest.mark.parametrize("answer", COMES_BACK)
def test_a_call_that_brought_nothing(batch, answer):
    ticket = sent()
    somebody_changes_it()
    settle.settle_calls([answered(ticket, NOW, **answer)], NOW)
    assert_only_the_new_one_is_made()


def test_a_job_that_failed(batch):
    ticket = sent(accepted=True)
    somebody_changes_it()
    settle.settle_polls([answered(ticket, NOW, failed=Failed(reason="It broke."))], NOW)
    assert_only_the_new_one_is_made()


def test_work_on_this_machine_whose_process_died(batch, monkeypatch):
    monkeypatch.setattr(Blind, "recovery_of", classmethod(lambda cls, capability: Recovery.FREE))
    me = worker.enlist("generation", NOW)
    claimed(NOW, by=me)
    somebody_changes_it()
    worker.release(str(me.pk))
    recovery.recover(worker.enlist("generation", NOW), NOW)
    assert_only_the_new_one_is_made()


@pytest.mark.parametrize("answer", COMES_BACK)
def test_what_is_wanted_as_before_is_tried_again(batch, answer):
    settle.settle_calls([answered(sent(), NOW, **answer)], NOW)
    assert Step.objects.get().state == State.READY
    assert Attempt.objects.count() == 1
