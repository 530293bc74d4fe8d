"""What comes back of a bulk job, line by line, and what does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from django.db.models import F

from jobs import control
from jobs.engine import bulk_take
from jobs.engine import drive as drive_module
from jobs.engine.steady import Steady
from jobs.models import Attempt, BulkJob, Step
from jobs.states import Reason, State
from providers.downloads import DiskFull
from providers.exceptions import HeldBack, RateLimited, Unauthorised, Unknown
from providers.models import Provider
from tests.jobs.engine.conftest import PRICE
from tests.simulator_adapter import SimBulk

from .conftest import HALF, SLOW, all_done, has, in_bulk, seller

pytestmark = [pytest.mark.engine, pytest.mark.slow]


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
    in_bulk(scene, seller(scene, next_bulk=[fault]), 40)  # each line is missing by chance: of few it may be none
    asked = Step.objects.filter(state=State.ATTENTION, reason=Reason.DECISION)
    scene.drive_until(lambda: asked.exists() and not Step.objects.filter(state=State.CLAIMED).exists())
    scene.drive_until(lambda: not Step.objects.filter(state__in=(State.CHECKING, State.FETCHING)).exists())
    assert Step.objects.filter(state=State.DONE).count() == 40 - asked.count() > 0
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


PASSING = [
    RateLimited("Slow down."),
    Unknown("It failed with status 503."),
    DiskFull("There is no room."),
    HeldBack("The rest is read after the next start."),
]


def raising(error):
    def ask(self, *asked):
        raise error

    return ask


def make_far_too_old(days=3):
    now = datetime.now(UTC)
    BulkJob.objects.update(sent_at=now - timedelta(days=days), next_at=now, message="")


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_a_passing_fault_gives_up_no_results_however_late_it_is(scene, monkeypatch, error):
    """They lie at the vendor: made again, they would be bought twice."""
    with monkeypatch.context() as patched:
        patched.setattr(SimBulk, "bulk_read", raising(error))
        in_bulk(scene, seller(scene))
        scene.drive_until(has(state=BulkJob.State.READING, message=error.message))
        make_far_too_old()
        scene.drive_until(lambda: BulkJob.objects.get().message)
    job = BulkJob.objects.get()
    assert (job.state, job.message) == (BulkJob.State.READING, error.message)
    scene.drive_until(all_done)
    assert set(Attempt.objects.values_list("outcome", "cost_micro")) == {("accepted", HALF)}
    scene.check()


@pytest.mark.parametrize("error", [PASSING[0], HeldBack("Not now.")], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("state", [BulkJob.State.RUNNING, BulkJob.State.UNKNOWN])
def test_nor_does_a_look_that_fails_end_a_job_after_days(scene, monkeypatch, state, error):
    """The machine was off for as long, and wakes without a network."""
    in_bulk(scene, seller(scene, **SLOW))
    scene.drive_until(has(state=BulkJob.State.RUNNING))
    for name in ("bulk_poll", "bulk_find"):
        monkeypatch.setattr(SimBulk, name, raising(error))
    make_far_too_old()
    BulkJob.objects.update(state=state, fence=F("fence") + 1, owner=None)
    before = BulkJob.objects.get().fence
    scene.drive_until(lambda: BulkJob.objects.get().fence > before and BulkJob.objects.get().owner is None)
    assert BulkJob.objects.get().state == state


def test_what_could_not_be_had_for_ten_times_as_long_as_it_may_take_is_given_up(scene, monkeypatch):
    monkeypatch.setattr(SimBulk, "bulk_read", raising(PASSING[1]))
    in_bulk(scene, seller(scene))
    scene.drive_until(has(state=BulkJob.State.READING, message=PASSING[1].message))
    make_far_too_old(days=11)
    scene.drive_until(lambda: Step.objects.filter(state=State.ATTENTION, reason=Reason.DECISION).count() == 3)
    assert BulkJob.objects.get().state == BulkJob.State.OVER
    scene.check()


@pytest.mark.parametrize("ages_s", [0.0, 300.0])
def test_one_that_is_refused_after_days_pauses_its_provider_no_more(scene, monkeypatch, ages_s):
    monkeypatch.setattr(drive_module, "AGES_S", ages_s)
    monkeypatch.setattr(SimBulk, "bulk_read", raising(Unauthorised("Not yours.")))
    in_bulk(scene, seller(scene))
    scene.drive_until(has(state=BulkJob.State.READING, message="Not yours."))
    Provider.objects.update(paused=False)
    make_far_too_old()
    scene.drive_until(has(message="Not yours."))
    assert not Provider.objects.filter(paused=True).exists()


def test_a_job_that_never_ends_is_ended_there_and_its_lines_made_again(scene, monkeypatch):
    monkeypatch.setattr(SimBulk, "bulk_window_s", 1.0)
    in_bulk(scene, seller(scene, next_bulk=["stuck"]))
    scene.drive_until(all_done, within_s=30)
    assert "cancelled" in BulkJob.objects.order_by("pk")[0].word
    scene.check()


def test_a_clock_that_is_ahead_for_a_moment_ends_no_job(scene, monkeypatch):
    """Its vendor would bill what it has made by then, and the lines would be bought again."""
    monkeypatch.setattr(drive_module, "AGES_S", 300.0)
    in_bulk(scene, seller(scene, next_bulk=["output_gone"]))
    offset = [0.0]
    drive = drive_module.Drive("generation", slice_s=600, clock=lambda: datetime.now(UTC) + timedelta(days=offset[0]))
    scene.drives = [drive, drive_module.Drive("media", slice_s=60)]
    scene.drive_until(has(state=BulkJob.State.READING))
    drive.steady = _even_for_long(drive.clock())
    offset[0] = 3.0
    scene.drive_until(lambda: BulkJob.objects.get().message)
    job = BulkJob.objects.get()
    assert (job.state, "cancel" in job.word) == (BulkJob.State.READING, False)
    assert "DELETE" not in {row["method"] for row in scene.books()["requests"]}
    offset[0] = 0.0


def _even_for_long(now: datetime) -> Steady:
    steady = Steady()
    steady.notice(now - timedelta(hours=1), monotonic() - 3600)
    assert steady.tells_ages(now, monotonic())
    return steady


@pytest.mark.parametrize(("ages", "ended"), [(True, True), (False, False)])
def test_only_by_a_clock_that_went_evenly_is_a_job_too_old(scene, ages, ended):
    in_bulk(scene, seller(scene, **SLOW))
    scene.drive_until(has(state=BulkJob.State.RUNNING))
    now = datetime.now(UTC)
    BulkJob.objects.update(sent_at=now - timedelta(days=3), next_at=now)
    order = bulk_take.take(BulkJob.objects.get().pk, scene.drives[0].worker, now, ages=ages)
    assert (order.cancel, round(order.age)) == (ended, 3 if ended else 0)


def test_a_look_that_is_refused_for_haste_is_done_again_within_a_minute_whatever_the_vendor_says(scene, monkeypatch):
    def refuse(self, external_id):
        raise RateLimited("Slow down.", retry_after_s=86_400.0)

    with monkeypatch.context() as patched:
        patched.setattr(SimBulk, "bulk_poll", refuse)
        in_bulk(scene, seller(scene))
        scene.drive_until(has(message="Slow down."))
    job = BulkJob.objects.get()
    assert timedelta(seconds=40) < job.next_at - datetime.now(UTC) <= timedelta(seconds=60)
    BulkJob.objects.update(next_at=datetime.now(UTC))
    scene.drive_until(all_done)
    scene.check()
