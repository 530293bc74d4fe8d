"""Bulk jobs: many steps in one file, for half; each line an ordinary attempt, whatever becomes of the file."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import bulk_claim, looks
from jobs.models import Attempt, Batch, BulkJob, LedgerEntry, Step
from jobs.states import OPEN, State
from providers.models import Offer, Price, Provider, Quota, Usage
from tests.jobs.engine.conftest import PRICE
from tests.simulator_adapter import SimBulk

from .conftest import HALF, SLOW, all_done, creates, has, in_bulk, seller

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_the_scripts_of_a_batch_go_in_one_file_at_the_bulk_price(scene):
    in_bulk(scene, seller(scene), 5)
    scene.drive_until(all_done)
    job = BulkJob.objects.get()
    assert (job.state, job.lines, job.done, job.word) == (BulkJob.State.OVER, 5, 5, "completed")
    attempts = Attempt.objects.all()
    assert {(a.outcome, a.cost_micro, a.reserved_micro, a.bulk_id) for a in attempts} == {
        ("accepted", HALF, HALF, job.pk)
    }
    assert set(Step.objects.values_list("state", "crash_count")) == {(State.DONE, 0)}
    assert creates(scene) == ["accepted"]
    assert scene.books()["vendors"]["bulk"]["billed_micro"] == 5 * HALF
    assert set(LedgerEntry.objects.filter(kind="reserve").values_list("note", flat=True)) == {"in bulk"}
    scene.check()


def test_a_line_of_which_no_request_can_be_made_any_more_is_read_all_the_same(scene):
    """It is paid for."""
    in_bulk(scene, seller(scene, bulk_latency_s=[2.0, 2.0]), 3)
    scene.drive_until(has(state=BulkJob.State.RUNNING))
    step = Step.objects.filter(state=State.CLAIMED).first()
    Offer.objects.filter(pk=step.offer_id).update(lengths=["5"])
    Step.objects.filter(pk=step.pk).update(want={**step.want, "seconds": 5.0})
    scene.drive_until(all_done)
    assert Attempt.objects.filter(outcome="accepted", cost_micro=HALF).count() == 3


def test_without_the_choice_nothing_goes_in_bulk(scene):
    scene.batch(provider=seller(scene))
    scene.drive_until(all_done)
    assert not BulkJob.objects.exists()
    assert Attempt.objects.get().cost_micro == PRICE
    scene.check()


def test_one_step_at_a_time_is_never_in_bulk(scene):
    in_bulk(scene, seller(scene), 1, settings={"strategy": "sequential"})
    scene.drive_until(all_done)
    assert not BulkJob.objects.exists()


def test_a_job_counts_as_one_request_and_waits_for_its_place(scene):
    time.sleep(1.0)  # until the requests of other tests have left the vendor's window
    provider = seller(scene, limits=[{"requests": 1, "per_s": 1.0}])
    Quota.objects.create(provider=provider, amount=1, window_s=1.1)
    in_bulk(scene, provider, 4)
    in_bulk(scene, provider, 4)
    scene.drive_until(all_done)
    assert creates(scene) == ["accepted", "accepted"]
    assert Attempt.objects.filter(counts=True).count() == 2
    assert sum(Usage.objects.values_list("requests", flat=True)) == 2
    scene.check()


def test_lines_leave_every_place_of_the_provider_to_calls(scene):
    provider = seller(scene, **SLOW)
    Provider.objects.filter(pk=provider.pk).update(max_in_flight=1)
    in_bulk(scene, provider, 3)
    scene.drive_until(has(state=BulkJob.State.RUNNING))
    plain = scene.batch("at once", provider=provider)
    scene.drive_until(lambda: not plain.steps.filter(state__in=OPEN).exists())
    assert Step.objects.filter(state=State.CLAIMED).count() == 3


def test_a_cap_lets_only_so_many_lines_in(scene):
    batch = in_bulk(scene, seller(scene), 5, cap_micro=2 * HALF + 1)
    scene.drive_until(lambda: batch.steps.filter(state=State.DONE).count() == 2)
    assert batch.steps.filter(state=State.READY).count() == 3
    assert Attempt.objects.count() == 2
    scene.check()


def test_without_a_bulk_price_nothing_is_sent(scene):
    provider = seller(scene)
    in_bulk(scene, provider)
    Price.objects.filter(bulk=True).delete()
    scene.drive_until(lambda: scene.drives[0].bulk._fill_at)
    assert not Attempt.objects.exists()
    assert set(Step.objects.values_list("state", flat=True)) == {State.READY}


def test_a_job_that_is_full_goes_at_once_and_the_rest_in_the_next(scene, monkeypatch):
    monkeypatch.setattr(SimBulk, "bulk_lines", 2)
    in_bulk(scene, seller(scene), 5)
    scene.drive_until(all_done)
    assert sorted(BulkJob.objects.values_list("lines", flat=True)) == [1, 2, 2]
    scene.check()


def test_every_batch_has_a_job_of_its_own_the_more_urgent_first(scene, monkeypatch):
    monkeypatch.setattr(bulk_claim, "AT_ONCE", 2)
    provider = seller(scene)
    usual = in_bulk(scene, provider, 2)
    urgent = in_bulk(scene, provider, 2, priority=1)
    scene.drive_until(all_done)
    assert list(BulkJob.objects.order_by("pk").values_list("batch", flat=True)) == [urgent.pk, usual.pk]
    scene.check()


def test_what_the_vendor_does_not_take_in_bulk_is_made_at_once(scene, monkeypatch):
    monkeypatch.setattr(SimBulk, "bulk_takes", classmethod(lambda cls, request: "topic 1" not in request.prompt))
    in_bulk(scene, seller(scene), 3)
    scene.drive_until(all_done)
    assert BulkJob.objects.get().lines == 2
    assert sorted(Attempt.objects.values_list("cost_micro", flat=True)) == [HALF, HALF, PRICE]
    scene.check()


@pytest.mark.parametrize(("minutes", "cost"), [(10, PRICE), (-10, HALF)])
def test_what_is_due_before_the_vendor_has_to_be_done_is_made_at_once(scene, minutes, cost):
    batch = in_bulk(scene, seller(scene), 2)
    Batch.objects.filter(pk=batch.pk).update(finish_by=datetime.now(UTC) + timedelta(minutes=minutes))
    scene.drive_until(all_done)
    assert list(Attempt.objects.values_list("cost_micro", flat=True)) == [cost, cost]
    scene.check()


def test_a_drive_asks_nothing_more_where_no_batch_wants_anything_in_bulk(scene, django_assert_num_queries):
    scene.batch(provider=scene.vendor("instant"))
    scene.drive_until(all_done)
    mine = scene.drives[0].bulk
    mine._look_at = float("-inf")
    with django_assert_num_queries(2):
        assert mine.begin(lambda: ["sim_instant"]) == 0
    mine._look_at = float("inf")
    with django_assert_num_queries(0):
        assert mine.begin(lambda: ["sim_instant"]) == 0


def test_a_line_is_no_call_that_a_round_looks_for(scene):
    in_bulk(scene, seller(scene, **SLOW))
    scene.drive_until(has(state=BulkJob.State.RUNNING))
    now = datetime.now(UTC)
    assert not looks.some_poll_is_due(now)
    assert not looks.with_ready_steps(now)
