"""Bulk jobs of batches that are paused, cancelled or changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs import control
from jobs.engine import bulk_claim
from jobs.models import Attempt, BulkJob, Step
from jobs.states import OPEN, State
from providers.exceptions import NotSent
from providers.models import Offer, Provider
from tests.simulator_adapter import SimBulk

from .conftest import HALF, SLOW, all_done, creates, has, in_bulk, seller

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def bulks_there(scene):
    mine = set(BulkJob.objects.exclude(external_id="").values_list("external_id", flat=True))
    return [row for row in scene.sim.summary("bulk")["bulks"] if row["id"] in mine]


def test_a_paused_batch_is_not_sent_and_its_lines_wait(scene, monkeypatch):
    monkeypatch.setattr(bulk_claim, "FILL_S", 0.5)
    batch = in_bulk(scene, seller(scene))
    scene.drive_until(has(lines=3))
    control.pause(batch, datetime.now(UTC))
    end = datetime.now(UTC) + timedelta(seconds=1)
    scene.drive_until(lambda: datetime.now(UTC) > end)
    assert not creates(scene)
    control.resume(batch)
    scene.drive_until(all_done)
    scene.check()


def test_cancelling_a_batch_before_it_is_sent_frees_its_money(scene, monkeypatch):
    monkeypatch.setattr(bulk_claim, "FILL_S", 60)
    batch = in_bulk(scene, seller(scene))
    scene.drive_until(has(lines=3))
    control.cancel(batch, control.Cancel.EVERYTHING, datetime.now(UTC))
    scene.drive_until(all_done)
    assert set(Step.objects.values_list("state", flat=True)) == {State.CANCELLED}
    assert BulkJob.objects.get().state == BulkJob.State.OVER
    assert not creates(scene)
    scene.check()


@pytest.mark.parametrize("paused", [False, True])
def test_what_is_only_gathered_is_not_out_when_all_but_what_runs_is_cancelled(scene, monkeypatch, paused):
    monkeypatch.setattr(bulk_claim, "FILL_S", 60)
    batch = in_bulk(scene, seller(scene))
    scene.drive_until(has(lines=3))
    if paused:
        control.pause(batch, datetime.now(UTC))
    control.cancel(batch, control.Cancel.ALL_BUT_RUNNING, datetime.now(UTC))
    scene.drive_until(all_done)
    assert set(Step.objects.values_list("state", flat=True)) == {State.CANCELLED}
    assert not creates(scene)
    scene.check()


def test_cancelling_all_but_what_runs_waits_for_a_job_that_is_out(scene):
    batch = in_bulk(scene, seller(scene, bulk_latency_s=[1.0, 1.0]))
    scene.drive_until(has(state=BulkJob.State.RUNNING))
    control.cancel(batch, control.Cancel.ALL_BUT_RUNNING, datetime.now(UTC))
    scene.drive_until(all_done)
    assert set(Step.objects.values_list("state", flat=True)) == {State.DONE}
    assert [row["state"] for row in bulks_there(scene)] == ["completed"]
    scene.check()


def test_cancelling_a_batch_ends_its_job_there_and_no_other_batchs(scene):
    provider = seller(scene, **SLOW)
    batch, other = in_bulk(scene, provider), in_bulk(scene, provider)
    scene.drive_until(lambda: BulkJob.objects.filter(state=BulkJob.State.RUNNING).count() == 2)
    control.cancel(batch, control.Cancel.EVERYTHING, datetime.now(UTC))
    scene.drive_until(lambda: not batch.steps.filter(state__in=OPEN).exists())
    assert {row["state"] for row in bulks_there(scene)} == {"cancelled", "in_progress"}
    assert set(other.steps.values_list("state", flat=True)) == {State.CLAIMED}
    scene.check()


def test_cancelling_one_video_books_its_line_and_leaves_the_others(scene):
    batch = in_bulk(scene, seller(scene, bulk_latency_s=[1.0, 1.0]))
    scene.drive_until(has(state=BulkJob.State.RUNNING))
    control.cancel_video(batch.videos.first(), datetime.now(UTC))
    scene.drive_until(all_done)
    assert sorted(Step.objects.values_list("state", flat=True)) == [State.CANCELLED, State.DONE, State.DONE]
    assert scene.books()["vendors"]["bulk"]["billed_micro"] == 3 * HALF
    scene.check()


def test_a_line_that_was_cancelled_before_the_upload_is_left_out(scene, monkeypatch):
    monkeypatch.setattr(bulk_claim, "FILL_S", 0.5)
    batch = in_bulk(scene, seller(scene))
    scene.drive_until(has(lines=3))
    control.cancel_video(batch.videos.first(), datetime.now(UTC))
    scene.drive_until(all_done)
    assert BulkJob.objects.get().lines == 2
    assert scene.books()["vendors"]["bulk"]["billed_micro"] == 2 * HALF
    scene.check()


def test_what_would_be_sent_otherwise_than_it_was_written_down_is_left_out_and_made_anew(scene, monkeypatch):
    monkeypatch.setattr(bulk_claim, "FILL_S", 0.5)
    in_bulk(scene, seller(scene))
    scene.drive_until(has(lines=3))
    Offer.objects.filter(provider__slug="sim_bulk").update(parameters={"temperature": 1})
    scene.drive_until(all_done)
    assert Attempt.objects.filter(outcome="not_sent").count() == 3
    scene.check()


def uploaded_but_not_ordered(scene):
    batch = in_bulk(scene, seller(scene, next=["401"]))
    scene.drive_until(lambda: Provider.objects.get(slug="sim_bulk").paused)
    assert BulkJob.objects.exclude(input_file="").get().state == BulkJob.State.CLOSED
    return batch


def goes_on():
    Provider.objects.filter(slug="sim_bulk").update(paused=False)


def uploads(scene):
    return [row for row in scene.submits() if row["path"].endswith("files")]


def test_a_line_that_was_cancelled_after_the_upload_is_left_out(scene):
    batch = uploaded_but_not_ordered(scene)
    control.cancel_video(batch.videos.first(), datetime.now(UTC))
    goes_on()
    scene.drive_until(all_done)
    assert (BulkJob.objects.get().lines, len(uploads(scene))) == (2, 2)
    assert scene.books()["vendors"]["bulk"]["billed_micro"] == 2 * HALF
    scene.check()


def test_the_old_file_is_not_ordered_where_the_new_one_cannot_be_uploaded_at_once(scene, monkeypatch):
    def fail(self, content, tag):
        raise NotSent("It cannot be reached.")

    batch = uploaded_but_not_ordered(scene)
    control.cancel_video(batch.videos.first(), datetime.now(UTC))
    goes_on()
    with monkeypatch.context() as patched:
        patched.setattr(SimBulk, "bulk_upload", fail)
        scene.drive_until(has(message="It cannot be reached."))
    scene.drive_until(all_done)
    assert scene.books()["vendors"]["bulk"]["billed_micro"] == 2 * HALF
    scene.check()


def test_a_line_that_was_cancelled_while_a_lost_answer_was_looked_for_is_left_out(scene):
    batch = in_bulk(scene, seller(scene, next=["lose_before_accept"]))
    scene.drive_until(has(state=BulkJob.State.UNKNOWN))
    control.cancel_video(batch.videos.first(), datetime.now(UTC))
    scene.drive_until(all_done)
    assert BulkJob.objects.get().lines == 2
    assert scene.books()["vendors"]["bulk"]["billed_micro"] == 2 * HALF
    scene.check()


def test_what_would_be_sent_otherwise_than_it_was_uploaded_is_made_anew(scene):
    uploaded_but_not_ordered(scene)
    Offer.objects.filter(provider__slug="sim_bulk").update(parameters={"temperature": 1})
    goes_on()
    scene.drive_until(all_done)
    assert Attempt.objects.filter(outcome="not_sent").count() == 3
    assert scene.books()["vendors"]["bulk"]["billed_micro"] == 3 * HALF
    scene.check()
