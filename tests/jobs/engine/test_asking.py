"""Polls of jobs that are to be ended: looked at first, as there are vendors that delete what has finished."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Event
from typing import ClassVar

import pytest

from jobs.engine import asking, failures, settle, taking, worker
from jobs.models import Attempt, LedgerEntry, Step
from jobs.states import Reason, State
from providers import registry
from providers.exceptions import RateLimited, Rejected, Unknown
from providers.types import Failed, Finished, Output, Running

from .listed_vendor import PRICE, Listed, answered, claimed, of_listed

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
A_MINUTE, HOURS = timedelta(minutes=1), timedelta(hours=3)
LOOKED = [NOW]
DONE = Finished(
    outputs=(Output(content=b"{}", media_type="application/json"),), units={"calls": 1}, external_id="job-1"
)


class Deleting(Listed):
    """Its cancel deletes, as Runway's does."""

    cancel_deletes = True
    said: ClassVar[list[object]] = []  # of its one job, poll by poll
    is_deleted: ClassVar[bool] = False
    asked: ClassVar[list[str]] = []

    def poll(self, external_id):
        type(self).asked.append("poll")
        if self.is_deleted:
            raise Rejected("There is no such job.", http_status=404)
        said = self.said[0] if len(self.said) == 1 else self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def cancel(self, external_id):
        type(self).asked.append("cancel")
        type(self).is_deleted = True


class Ending(Deleting):
    """Its cancel ends a job, which is told of as before."""

    cancel_deletes = False

    def cancel(self, external_id):
        type(self).asked.append("cancel")
        type(self).said = [Failed(reason="It was cancelled.")]


class Refusing(Ending):
    """Its job ends between the look and the cancel, which is refused for that."""

    def cancel(self, external_id):
        super().cancel(external_id)
        raise Rejected("It is over.", http_status=409)


class Slow(Deleting):
    """Its cancel takes a while: until then the job runs on."""

    cancel_deletes = False

    def cancel(self, external_id):
        type(self).asked.append("cancel")


@pytest.fixture(params=[Deleting], ids=lambda adapter: adapter.__name__)
def vendor(request, db, monkeypatch):
    adapter = request.param
    LOOKED[:] = [NOW]
    monkeypatch.setattr(asking.clock, "now_utc", lambda: LOOKED[-1])
    adapter.said, adapter.asked, adapter.is_deleted = [Running()], [], False
    registry.register(adapter)
    of_listed("Bread")
    me = worker.enlist("generation", NOW)
    [ticket] = claimed(NOW, by=me)
    settle.settle_calls([answered(ticket, NOW, accepted_id="job-1")], NOW)
    yield adapter
    worker.let_go(str(me.pk))
    registry._extra.pop(adapter.slug, None)


def look(now):
    Step.objects.filter(state=State.RUNNING).update(not_before=now)
    look_without_haste(now)


def look_without_haste(now, **options):
    """At what was due, perhaps long before."""
    LOOKED.append(now)
    for group in taking.due_polls(["listed"], 9, now, **options):
        settle.settle_polls(asking.poll(group, Event()), now)


def step():
    return Step.objects.get()


def test_a_finished_job_that_is_seen_hours_late_is_taken_and_not_deleted(vendor):
    vendor.said = [DONE]
    look(NOW + HOURS)
    assert vendor.asked == ["poll"]
    assert step().state == State.CHECKING
    assert Attempt.objects.get().cost_micro == PRICE


def test_one_that_finished_before_its_cancel_is_taken_and_not_deleted(vendor):
    vendor.said = [DONE]
    Step.objects.update(cancel_asked=True)
    look(NOW + A_MINUTE)
    assert vendor.asked == ["poll"]
    assert (step().state, Attempt.objects.get().cost_micro) == (State.CANCELLED, PRICE)


def test_what_a_cancel_deleted_is_over_at_once_and_counts_as_billed(vendor):
    Step.objects.update(cancel_asked=True)
    look(NOW + A_MINUTE)
    assert vendor.asked == ["poll", "cancel", "poll"]
    attempt = Attempt.objects.get()
    assert (step().state, attempt.outcome, attempt.cost_micro) == (State.CANCELLED, "given_up", PRICE)
    assert "It was ended" in attempt.message
    assert sum(LedgerEntry.objects.values_list("reserved_micro", flat=True)) == 0


def test_a_cancel_whose_answer_was_lost_is_seen_by_the_next_poll(vendor):
    Step.objects.update(cancel_asked=True)
    vendor.is_deleted = True
    look(NOW + A_MINUTE)
    assert vendor.asked == ["poll"]
    assert (step().state, Attempt.objects.get().cost_micro) == (State.CANCELLED, PRICE)


def test_what_was_deleted_for_its_age_is_bought_again_by_a_person_only(vendor):
    look(NOW + HOURS)
    assert (step().state, step().reason) == (State.ATTENTION, Reason.FAILED)
    assert (Attempt.objects.get().outcome, Attempt.objects.get().cost_micro) == ("given_up", PRICE)


def test_a_job_that_is_gone_without_a_cancel_of_ours_is_asked_about_again(vendor):
    vendor.is_deleted = True
    look(NOW + A_MINUTE)
    assert step().state == State.RUNNING
    assert step().not_before > NOW + A_MINUTE


def test_where_nobody_says_that_it_runs_nothing_is_ended(vendor):
    Step.objects.update(cancel_asked=True)
    vendor.said = [Unknown("The vendor is ill.", http_status=500)]
    look(NOW + A_MINUTE)
    assert vendor.asked == ["poll"]
    assert step().state == State.RUNNING


@pytest.mark.parametrize("vendor", [Ending], indirect=True)
def test_where_the_vendor_tells_how_it_ended_that_is_booked(vendor):
    Step.objects.update(cancel_asked=True)
    look(NOW + A_MINUTE)
    assert vendor.asked == ["poll", "cancel", "poll"]
    assert (step().state, Attempt.objects.get().cost_micro) == (State.CANCELLED, 0)


@pytest.mark.parametrize("vendor", [Slow], indirect=True)
def test_a_job_that_takes_its_time_to_end_is_not_given_up_meanwhile(vendor):
    two_hours = NOW + timedelta(seconds=vendor.max_age_s)
    look(two_hours + A_MINUTE)
    assert step().state == State.RUNNING
    vendor.said = [Failed(reason="It was cancelled.")]
    look(two_hours + 2 * A_MINUTE)
    assert (step().state, Attempt.objects.get().cost_micro) == (State.READY, 0)


@pytest.mark.parametrize("vendor", [Slow], indirect=True)
def test_one_that_runs_on_for_long_after_its_cancel_is(vendor):
    look(NOW + HOURS)
    look(NOW + HOURS + timedelta(seconds=failures.ENDING_S - 1))
    assert step().state == State.RUNNING
    look(NOW + HOURS + timedelta(seconds=failures.ENDING_S + 1))
    assert (step().state, Attempt.objects.get().outcome) == (State.ATTENTION, "given_up")


@pytest.mark.parametrize("vendor", [Refusing], indirect=True)
def test_a_job_that_ended_before_its_cancel_came_is_not_given_up(vendor):
    look(NOW + HOURS)
    assert vendor.asked == ["poll", "cancel", "poll"]
    assert (step().state, Attempt.objects.get().cost_micro) == (State.READY, 0)


@pytest.mark.parametrize("vendor", [Ending], indirect=True)
def test_a_job_that_failed_by_itself_is_not_said_to_have_been_ended(vendor):
    vendor.said = [Failed(reason="The picture was bad.")]
    look(NOW + HOURS)
    assert Attempt.objects.get().message == "The picture was bad."


@pytest.mark.parametrize("vendor", [Ending], indirect=True)
def test_a_vendor_that_has_forgotten_a_job_says_nothing_of_its_end(vendor):
    Step.objects.update(cancel_asked=True)
    vendor.is_deleted = True
    look(NOW + A_MINUTE)
    assert step().state == State.RUNNING


# -- ages ------------------------------------------------------------------------------------------------------------


def test_a_job_that_nobody_came_by_for_until_it_was_too_old_is_only_asked_at_first(vendor):
    look_without_haste(NOW + HOURS)
    assert vendor.asked == ["poll"]
    assert step().state == State.RUNNING
    look_without_haste(NOW + HOURS + 2 * A_MINUTE)
    assert vendor.asked == ["poll", "poll", "cancel", "poll"]
    assert step().state == State.ATTENTION


def test_one_of_which_nothing_is_learned_then_is_not_given_up_at_once(vendor):
    vendor.said = [Unknown("The vendor is ill.", http_status=500)]
    look_without_haste(NOW + HOURS)
    assert step().state == State.RUNNING
    for minutes in (1, 3):
        look_without_haste(NOW + HOURS + minutes * A_MINUTE)
        assert step().state == State.RUNNING
    look_without_haste(NOW + HOURS + 5 * A_MINUTE)
    assert (step().state, Attempt.objects.get().outcome) == (State.ATTENTION, "given_up")


@pytest.mark.parametrize("said", [Running(), Unknown("The vendor is ill.", http_status=500)], ids=["runs", "is ill"])
def test_while_ages_are_not_believed_no_job_is_ended_or_given_up(vendor, said):
    vendor.said = [said]
    for minutes in range(5):
        look_without_haste(NOW + HOURS + 2 * minutes * A_MINUTE, ages=False)
    assert vendor.asked == ["poll"] * 5
    assert step().state == State.RUNNING


def test_what_a_person_cancelled_is_ended_also_then(vendor):
    Step.objects.update(cancel_asked=True)
    look_without_haste(NOW + HOURS, ages=False)
    assert step().state == State.CANCELLED


# -- pauses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("told_s", "waits_s"), [(7.0, 7.0), (86_400.0, 60.0), (1e300, 60.0), (None, 5.0), (0.0, 5.0)])
def test_a_poll_that_is_refused_is_asked_again_within_a_minute_whatever_the_vendor_says(vendor, told_s, waits_s):
    vendor.said = [RateLimited("Slow down.", retry_after_s=told_s)]
    look(NOW + A_MINUTE)
    assert step().not_before == NOW + A_MINUTE + timedelta(seconds=waits_s)


def test_no_pause_lasts_beyond_the_moment_at_which_a_job_is_too_old(vendor):
    vendor.said = [RateLimited("Slow down.", retry_after_s=50)]
    end = NOW + timedelta(seconds=vendor.max_age_s)
    look(end - timedelta(seconds=20))
    assert step().not_before == end
    look_without_haste(end)
    assert step().not_before == end + timedelta(seconds=50)
