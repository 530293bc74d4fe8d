"""Bulk jobs: many steps in one file, for half; each line an ordinary attempt, whatever becomes of the file."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from jobs import control
from jobs.engine import bulk, bulk_claim, bulk_settle, bulk_take, looks
from jobs.engine import worker as workers
from jobs.models import Attempt, BulkJob, LedgerEntry, Step
from jobs.states import OPEN, Reason, State
from providers.models import Lane, Offer, Price, Provider, Quota, Usage
from providers.types import Bulk, BulkState
from tests.jobs.engine.conftest import LONG_AGO, PRICE
from tests.simulator_adapter import SimBulk

pytestmark = [pytest.mark.engine, pytest.mark.slow]
QUICK = {"bulk_validate_s": [0, 0], "bulk_latency_s": [0.1, 0.3], "bulk_finalize_s": 0, "bulk_cancel_s": 0.1}
SLOW = {"bulk_latency_s": [600, 600]}
HALF = PRICE // 2


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    for module, name, seconds in (
        (bulk, "LOOK_EVERY_S", 0.02),
        (bulk, "NO_ROOM_S", 0.05),
        (bulk_claim, "FILL_S", 0.1),
        (bulk_take, "PUT_OFF_S", 0.05),
        (bulk_settle, "POLL_LEAST_S", 0.05),
        (bulk_settle, "READ_AGAIN_S", 0.1),
        (bulk_settle, "RATE_LIMIT_PAUSE_S", 0.1),
        (bulk_settle, "TOO_MUCH_S", 0.1),
    ):
        monkeypatch.setattr(module, name, seconds)


def seller(scene, **control) -> Provider:
    provider = scene.vendor("bulk", **{**QUICK, **control})
    Lane.objects.create(provider=provider, capability="script", bulk=True)
    Price.objects.create(
        provider=provider, capability="script", unit="calls", micro=PRICE, per=2, bulk=True, valid_from=LONG_AGO
    )
    return provider


def in_bulk(scene, provider, topics: int = 3, **values):
    settings = {"bulk": ("script",), **values.pop("settings", {})}
    return scene.batch(*(f"topic {n}" for n in range(topics)), provider=provider, settings=settings, **values)


def all_done() -> bool:
    out = BulkJob.objects.exclude(state=BulkJob.State.OVER)
    return not out.exists() and not Step.objects.filter(state__in=OPEN).exists()


def has(**what):
    return lambda: BulkJob.objects.filter(**what).exists()


def bulks_there(scene):
    mine = set(BulkJob.objects.exclude(external_id="").values_list("external_id", flat=True))
    return [row for row in scene.sim.summary("bulk")["bulks"] if row["id"] in mine]


def creates(scene):
    return [row["verdict"] for row in scene.submits() if row["path"].endswith("bulks")]


# -- the ordinary way ------------------------------------------------------------------------------


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


# -- answers that are lost on the way there ------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lose_after_accept", "500_after", "reset_after_accept"])
def test_a_lost_answer_is_found_by_its_tag_and_nothing_is_sent_twice(scene, fault):
    in_bulk(scene, seller(scene, next=[fault]))
    scene.drive_until(has(state=BulkJob.State.UNKNOWN))
    scene.drive_until(all_done)
    assert creates(scene) == ["accepted"]
    assert BulkJob.objects.get().external_id
    scene.check()


def test_one_that_no_listing_shows_was_not_sent_and_is_sent_again(scene):
    in_bulk(scene, seller(scene, next=["lose_before_accept"]))
    scene.drive_until(all_done)
    assert len(creates(scene)) == 2
    assert sum(Usage.objects.values_list("requests", flat=True)) == 1
    assert len([row for row in scene.submits() if row["path"].endswith("files")]) == 1
    scene.check()


def test_a_listing_that_fails_says_nothing(scene):
    in_bulk(scene, seller(scene, next=["lose_after_accept"], next_get=["500", "lose", "429"]))
    scene.drive_until(all_done)
    assert creates(scene) == ["accepted"]
    scene.check()


def test_a_429_costs_no_line_a_try(scene):
    in_bulk(scene, seller(scene, next=["429"]))
    scene.drive_until(all_done)
    assert Attempt.objects.count() == 3
    assert creates(scene)[-1] == "accepted"
    scene.check()


def test_a_refused_order_waits_for_a_person_with_all_its_lines(scene):
    in_bulk(scene, seller(scene, next=["400"]))
    scene.drive_until(lambda: Step.objects.filter(state=State.ATTENTION, reason=Reason.REJECTED).count() == 3)
    scene.check()
    assert not scene.books()["bills"]


def test_a_key_that_is_not_accepted_pauses_the_provider_and_keeps_the_lines(scene):
    provider = seller(scene, next=["401"])
    in_bulk(scene, provider)
    scene.drive_until(lambda: Provider.objects.get(pk=provider.pk).paused)
    assert BulkJob.objects.get().state == BulkJob.State.CLOSED
    Provider.objects.filter(pk=provider.pk).update(paused=False)
    scene.drive_until(all_done)
    scene.check()


# -- what comes back, and what does not ---------------------------------------------------------------


def test_what_expired_is_made_again_and_paid_for_once(scene):
    in_bulk(scene, seller(scene, next_bulk=["expires"], bulk_latency_s=[0.5, 0.5]), 12)
    scene.drive_until(all_done, within_s=30)
    words = list(BulkJob.objects.order_by("pk").values_list("word", flat=True))
    assert words[0] == "expired"
    again = Attempt.objects.filter(bulk=BulkJob.objects.order_by("pk")[0], cost_micro=0)
    assert 0 < again.count() < 12
    assert scene.books()["vendors"]["bulk"]["billed_micro"] == 12 * HALF
    scene.check()


def test_lines_in_the_error_file_are_failures_and_made_again(scene):
    in_bulk(scene, seller(scene, next_bulk=["no_output"]))
    scene.drive_until(all_done, within_s=30)
    assert sorted(Attempt.objects.values_list("cost_micro", flat=True)) == [0, 0, 0, HALF, HALF, HALF]
    scene.check()


@pytest.mark.parametrize("fault", ["lines_missing", "broken_line"])
def test_a_line_that_nothing_speaks_of_asks_a_person_and_harms_no_other(scene, fault):
    in_bulk(scene, seller(scene, next_bulk=[fault]), 12)
    asked = Step.objects.filter(state=State.ATTENTION, reason=Reason.DECISION)
    scene.drive_until(lambda: asked.exists() and not Step.objects.filter(state=State.CLAIMED).exists())
    scene.drive_until(lambda: not Step.objects.filter(state__in=(State.CHECKING, State.FETCHING)).exists())
    assert Step.objects.filter(state=State.DONE).count() == 12 - asked.count() > 0
    assert Attempt.objects.filter(outcome="unknown").count() == asked.count()
    scene.check()


@pytest.mark.parametrize("fault", ["lines_doubled", "strange_line"])
def test_lines_too_many_change_nothing(scene, fault):
    in_bulk(scene, seller(scene, next_bulk=[fault]), 8)
    scene.drive_until(all_done)
    assert Attempt.objects.count() == 8
    scene.check()


def test_a_file_that_is_never_accepted_ends_with_a_person_and_an_offer_to_send_at_once(scene, somebody):
    provider = seller(scene, next_bulk=["invalid"] * 3)
    in_bulk(scene, provider, 1)
    scene.drive_until(Step.objects.filter(state=State.ATTENTION).exists, within_s=30)
    step = Step.objects.get()
    assert (step.reason, step.lane.bulk) == (Reason.FAILED, False)
    assert "at the full price" in step.message
    control.try_again(step, somebody, datetime.now(UTC))
    scene.drive_until(all_done)
    assert Attempt.objects.latest("pk").cost_micro == PRICE
    scene.check()


def test_where_too_much_waits_the_next_file_is_half_as_large_and_no_try_is_lost(scene):
    in_bulk(scene, seller(scene, next_bulk=["token_limit"]), 4)
    scene.drive_until(all_done)
    assert list(BulkJob.objects.order_by("pk").values_list("lines", flat=True)) == [4, 2, 2]
    assert set(Step.objects.values_list("failures", flat=True)) == {0}
    scene.check()


def test_results_that_are_gone_are_asked_for_until_it_is_far_too_late(scene, monkeypatch):
    monkeypatch.setattr(SimBulk, "bulk_window_s", 0.6)
    in_bulk(scene, seller(scene, next_bulk=["output_gone"]))
    scene.drive_until(lambda: Step.objects.filter(state=State.ATTENTION, reason=Reason.DECISION).count() == 3)
    assert BulkJob.objects.get().state == BulkJob.State.OVER
    scene.check()


def test_a_job_that_never_ends_is_ended_there_and_its_lines_made_again(scene, monkeypatch):
    monkeypatch.setattr(SimBulk, "bulk_window_s", 1.0)
    in_bulk(scene, seller(scene, next_bulk=["stuck"]))
    scene.drive_until(all_done, within_s=30)
    assert "cancelled" in BulkJob.objects.order_by("pk")[0].word
    scene.check()


# -- pausing and cancelling ------------------------------------------------------------------------


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


# -- senders that die --------------------------------------------------------------------------------


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
    bulk_settle.settle([bulk_settle.Told(order=order, ended_at=datetime.now(UTC), bulk=found)], datetime.now(UTC))
    again = BulkJob.objects.get()
    assert (again.state, again.external_id) == (BulkJob.State.RUNNING, job.external_id)


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
    told = bulk_settle.Told(order=order, ended_at=datetime.now(UTC), error=ValueError("old"))
    bulk_settle.settle([told], datetime.now(UTC))
    assert BulkJob.objects.get().message == ""
