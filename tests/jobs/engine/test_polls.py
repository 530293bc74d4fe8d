from __future__ import annotations

import inspect
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from jobs.engine import drive as drive_module
from jobs.engine import failures, poll_places, polling, settle, taking
from jobs.engine.calls import Answer
from jobs.models import Attempt, LedgerEntry, Notice, Step
from jobs.states import Reason, State
from providers.base import CONNECT_TIMEOUT_S
from providers.models import Lane, Offer
from providers.types import Failed
from tests.simulator_adapter import SimJobs

from .conftest import LONG_AGO

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def all_done():
    return not Step.objects.exclude(state__in=(State.DONE, State.CANCELLED)).exists()


def all_run():
    return not Step.objects.exclude(state=State.RUNNING).exists()


def looks(scene) -> list[str]:
    return [row["path"] for row in scene.books()["requests"] if row["method"] == "GET"]


def make_due():
    Step.objects.filter(state=State.RUNNING).update(not_before=datetime.now(UTC))


def a_ticket():
    make_due()
    [[ticket]] = taking.due_polls(["sim_jobs"], 9, datetime.now(UTC))
    return ticket


def test_jobs_that_are_due_are_asked_in_one_call(scene):
    provider = scene.vendor("jobs", latency_s=[1.5, 1.5])
    scene.batch(*"abcdef", provider=provider)
    scene.drive_until(all_run)
    before = len(looks(scene))
    make_due()
    groups = taking.due_polls(["sim_jobs"], 9, datetime.now(UTC))
    assert [len(group) for group in groups] == [6]
    make_due()
    scene.drives[0].step_once()
    scene.drives[0].step_once()
    assert looks(scene)[before:] == ["v1/jobs"]
    scene.drive_until(all_done)
    scene.check()


def with_lengths_nobody_can_read(step):
    offer = Offer.objects.create(provider=step.provider, capability="clip", name="typo", label="Typo", lengths=["5"])
    Step.objects.filter(pk=step.pk).update(offer=offer, want={**step.want, "seconds": 5.0})


@pytest.mark.parametrize("state", [State.RUNNING, State.UNKNOWN])
def test_one_step_of_which_no_request_can_be_made_keeps_no_other_from_being_asked_about(scene, caplog, state):
    scene.batch(*"abc", provider=scene.vendor("jobs", latency_s=[1.5, 1.5]))
    scene.drive_until(all_run)
    now = datetime.now(UTC)
    Step.objects.update(state=state, not_before=now)
    bad = Step.objects.first()
    with_lengths_nobody_can_read(bad)
    if state == State.RUNNING:
        [tickets] = taking.due_polls(["sim_jobs"], 9, now)
    else:
        tickets = taking.due_finds(["sim_jobs"], 9, now)
    assert len(tickets) == 2
    assert bad.pk not in {ticket.step_id for ticket in tickets}
    assert f"step {bad.pk}: no request can be made of it" in caplog.text
    assert not Step.objects.filter(not_before__lte=now).exists()  # it is tried again a little later, not in every round
    Offer.objects.filter(name="typo").update(lengths=[5])
    Step.objects.update(state=State.RUNNING, not_before=datetime.now(UTC))
    scene.drive_until(all_done)


def test_a_link_of_which_no_request_can_be_made_is_given_back_and_the_others_are_fetched(scene):
    scene.batch(*"abc", provider=scene.vendor("jobs", latency_s=[1.5, 1.5]))
    scene.drive_until(all_run)
    now = datetime.now(UTC)
    Step.objects.update(state=State.FETCHING, not_before=now)
    bad = Step.objects.first()
    with_lengths_nobody_can_read(bad)
    steps = taking.take(State.FETCHING, scene.drives[0].worker, 9, now, lease_s=900.0, alone=False)
    assert {ticket.step_id for ticket in taking.fetch_tickets(steps, now)} == {step.pk for step in steps} - {bad.pk}
    bad.refresh_from_db()
    assert (bad.owner, bad.lease_until, bad.crash_count) == (None, None, 0)
    assert bad.not_before > now


def test_those_that_are_due_soon_ride_along_and_no_more_than_the_vendor_takes(scene, monkeypatch):
    monkeypatch.setattr(SimJobs, "can_list", 4)
    provider = scene.vendor("jobs", latency_s=[1.5, 1.5])
    scene.batch(*"abcdef", provider=provider)
    scene.drive_until(all_run)
    now = datetime.now(UTC)
    Lane.objects.update(slowest_s=50.0)
    Step.objects.update(not_before=datetime.fromtimestamp(now.timestamp() + 0.9, UTC))
    Step.objects.filter(pk=Step.objects.first().pk).update(not_before=now)
    assert [len(group) for group in taking.due_polls(["sim_jobs"], 9, now)] == [4]
    Step.objects.update(not_before=now)
    assert [len(group) for group in taking.due_polls(["sim_jobs"], 9, now)] == [4, 2]
    Step.objects.update(not_before=now)
    assert [len(group) for group in taking.due_polls(["sim_jobs"], 1, now)] == [4]
    assert Step.objects.filter(not_before__lte=now).count() == 2  # not handed out, so not put off either


def test_a_job_is_not_handed_out_again_while_its_poll_may_still_be_out(scene):
    scene.batch("a", "b", provider=scene.vendor("jobs", latency_s=[20, 20]))
    scene.drive_until(all_run)
    ended = Step.objects.first()
    Step.objects.filter(pk=ended.pk).update(cancel_asked=True)
    make_due()
    now = datetime.now(UTC)
    assert len(taking.due_polls(["sim_jobs"], 9, now)) == 2
    longest_s = CONNECT_TIMEOUT_S + inspect.signature(SimJobs.send).parameters["timeout_s"].default
    put_off = {step.pk: (step.not_before - now).total_seconds() for step in Step.objects.all()}
    assert put_off.pop(ended.pk) > 3 * longest_s  # a look, the cancel, another look
    assert min(put_off.values()) > longest_s


@pytest.mark.postgres
@pytest.mark.parametrize("hand_out", [taking.due_polls, taking.due_finds])
def test_two_drives_that_wake_at_one_moment_ask_about_a_job_once(scene, monkeypatch, hand_out):
    scene.batch("a", "b", provider=scene.vendor("jobs", latency_s=[20, 20]))
    scene.drive_until(all_run)
    make_due()
    if hand_out is taking.due_finds:
        Step.objects.update(state=State.UNKNOWN)
    now, others, put_off = datetime.now(UTC), [], taking._put_off

    def other_drive():
        try:
            others.append(hand_out(["sim_jobs"], 9, now))
        finally:
            connection.close()

    def while_another_asks(*args, **options):
        monkeypatch.setattr(taking, "_put_off", put_off)
        other = threading.Thread(target=other_drive)
        other.start()
        other.join(10)
        put_off(*args, **options)

    monkeypatch.setattr(taking, "_put_off", while_another_asks)
    mine = hand_out(["sim_jobs"], 9, now)
    assert mine
    assert others == [[]]


def test_a_provider_is_asked_in_no_more_calls_than_it_has_places(scene, monkeypatch):
    monkeypatch.setattr(SimJobs, "can_list", 0)
    scene.batch(*"abc", provider=scene.vendor("jobs", latency_s=[20, 20]))
    scene.batch("d", provider=scene.vendor("hooks", latency_s=[20, 20]))
    scene.drive_until(all_run)
    make_due()
    now = datetime.now(UTC)
    groups = taking.due_polls(["sim_jobs", "sim_hooks"], 9, now, each={"sim_jobs": 2, "sim_hooks": 2})
    assert sorted(ticket.slug for [ticket] in groups) == ["sim_hooks", "sim_jobs", "sim_jobs"]
    assert Step.objects.filter(not_before__lte=now).count() == 1  # not handed out, so not put off either


def test_a_vendor_that_hangs_keeps_no_other_from_being_asked(scene, monkeypatch):
    hung, may_answer = [], threading.Event()
    poll = SimJobs.poll

    def hang(self, external_id):
        if self.slug == "sim_jobs":
            hung.append(external_id)
            may_answer.wait(20)
        return poll(self, external_id)

    monkeypatch.setattr(SimJobs, "can_list", 0)
    scene.batch(*"abcdefghijkl", provider=scene.vendor("jobs", latency_s=[0.1, 0.2]))
    scene.drive_until(all_run)
    other = scene.batch("m", provider=scene.vendor("hooks", latency_s=[0.1, 0.2]))
    monkeypatch.setattr(SimJobs, "poll", hang)
    scene.drives[0].pool.size = 8

    def others_done():
        """Whoever hangs is the longest overdue."""
        jobs = Step.objects.filter(state=State.RUNNING, provider__slug="sim_jobs")
        jobs.filter(not_before__lt=datetime.now(UTC) + timedelta(seconds=50)).update(not_before=LONG_AGO)
        return not other.steps.exclude(state=State.DONE).exists()

    scene.drive_until(others_done)
    assert len(hung) == 2
    may_answer.set()
    scene.drive_until(all_done)
    scene.check()


def test_after_a_poll_that_was_refused_for_haste_no_other_job_of_the_vendor_is_asked_about(scene, monkeypatch):
    monkeypatch.setattr(SimJobs, "can_list", 0)
    monkeypatch.setattr(poll_places, "pause_s", lambda error: 30.0)
    scene.batch(*"abcd", provider=scene.vendor("jobs", latency_s=[20, 20]))
    scene.drive_until(all_run)
    scene.sim.control("jobs", next_get=["429"])
    before = len(looks(scene))
    first = Step.objects.first()
    Step.objects.filter(pk=first.pk).update(not_before=datetime.now(UTC))
    Step.objects.exclude(pk=first.pk).update(not_before=datetime.now(UTC) + timedelta(seconds=60))
    scene.drive_until(lambda: len(looks(scene)) > before and not scene.drives[0].pool.busy)
    make_due()
    for _ in range(5):
        scene.drives[0].step_once()
    assert len(looks(scene)) == before + 1
    scene.drives[0].poll_places = poll_places.PollPlaces()  # the pause is over
    scene.drive_until(lambda: len(looks(scene)) == before + 5)


def test_one_that_is_missing_in_the_list_is_asked_by_itself(scene, monkeypatch):
    listed = SimJobs.poll_many
    monkeypatch.setattr(SimJobs, "poll_many", lambda self, ids: dict(list(listed(self, ids).items())[1:]))
    provider = scene.vendor("jobs", latency_s=[0.5, 0.5])
    scene.batch(*"abc", provider=provider)
    scene.drive_until(all_done)
    scene.check()


@pytest.mark.parametrize(
    "fault", ["500", *(pytest.param(f, marks=pytest.mark.slow) for f in ("lose", "garbage", "429"))]
)
def test_a_list_that_fails_is_asked_again(scene, fault):
    provider = scene.vendor("jobs", latency_s=[0.4, 0.5])
    scene.batch(*"abc", provider=provider)
    scene.drive_until(all_run)
    scene.sim.control("jobs", next_get=[fault])
    make_due()
    scene.drives[0].step_once()
    scene.drives[0].step_once()

    def hurry():
        make_due()
        return all_done()

    scene.drive_until(hurry)
    assert len(scene.submits()) == 3
    scene.check()


def test_a_place_that_came_free_is_taken_at_once(scene, monkeypatch):
    monkeypatch.setattr(drive_module, "LOOK_EVERY_S", 20.0)
    monkeypatch.setattr(drive_module, "NEWS_EVERY_S", 20.0)
    provider = scene.vendor("jobs", latency_s=[0.5, 0.5], concurrency=1)
    Lane.objects.update(max_in_flight=1)
    scene.batch("a", "b", provider=provider)
    drive = drive_module.Drive("generation", slice_s=60)
    scene.drives = [drive]
    while Attempt.objects.exclude(ended_at=None).count() < 1 or Attempt.objects.count() < 2:
        drive.step_once()
    first, second = Attempt.objects.order_by("pk")
    assert (second.sent_at - first.ended_at).total_seconds() < 5
    while Step.objects.filter(state__in=(State.RUNNING, State.CLAIMED)).exists():
        drive.step_once()


def test_an_unknown_status_is_told_once_and_counts_as_still_running(scene):
    provider = scene.vendor("jobs", next=["unknown_status"] * 2, latency_s=[0.5, 0.6])
    scene.batch("a", "b", provider=provider)
    scene.drive_until(all_done)
    notice = Notice.objects.get()
    assert str(Lane.objects.get()) in notice.text
    assert '"percolating"' in notice.text
    scene.check()


def test_a_vendor_that_makes_up_words_does_not_flood_the_notices(scene, monkeypatch):
    words = iter(f"at {n} %\n" for n in range(10_000))
    said = SimJobs.said

    def with_words(self, job):
        answer = said(self, job)
        return replace(answer, unknown_status=next(words)) if job["status"] == "running" else answer

    monkeypatch.setattr(SimJobs, "said", with_words)
    provider = scene.vendor("jobs", latency_s=[1.5, 1.5])
    scene.batch(*"abc", provider=provider)
    scene.drive_until(all_done)
    assert 1 <= Notice.objects.count() <= 5


def test_a_job_that_is_too_old_is_ended_at_the_vendor_and_made_anew(scene, monkeypatch):
    provider = scene.vendor("jobs", next=["stuck"])
    scene.batch(provider=provider)
    monkeypatch.setattr(drive_module, "AGES_S", 0.0)
    monkeypatch.setattr(SimJobs, "max_age_s", 0.6)
    scene.drive_until(all_done)
    first, second = Attempt.objects.order_by("pk")
    assert "was ended" in first.message
    assert (first.cost_micro, second.cost_micro) == (0, 1000)
    assert Step.objects.get().failures == 1
    scene.check()


def test_a_job_that_is_too_old_and_cannot_be_ended_is_given_up_and_not_bought_again(scene, monkeypatch):
    monkeypatch.delattr(SimJobs, "cancel")
    provider = scene.vendor("jobs", next=["stuck"])
    scene.batch(provider=provider)
    monkeypatch.setattr(drive_module, "AGES_S", 0.0)
    monkeypatch.setattr(SimJobs, "max_age_s", 0.3)
    monkeypatch.setattr(failures, "ENDING_S", 0.2)
    scene.drive_until(lambda: Step.objects.filter(state=State.ATTENTION).exists())
    assert Step.objects.get().reason == Reason.FAILED
    assert "given up" in Step.objects.get().message
    assert LedgerEntry.objects.filter(spent_micro=1000).count() == 1
    scene.check()


def test_still_running_after_finished_changes_nothing(scene):
    provider = scene.vendor("jobs", latency_s=[0.5, 0.5])
    scene.batch(provider=provider)
    scene.drive_until(all_run)
    ticket = a_ticket()
    make_due()
    scene.drive_until(all_done)
    before = (Step.objects.values().get(), Attempt.objects.values().get())
    now = datetime.now(UTC)
    settle.settle_polls([Answer(ticket=ticket, ended_at=now, running=True)], now)
    assert (Step.objects.values().get(), Attempt.objects.values().get()) == before
    assert not Notice.objects.exists()
    scene.check()


def test_failed_after_finished_is_told_and_changes_nothing(scene):
    provider = scene.vendor("jobs", latency_s=[0.5, 0.5])
    scene.batch(provider=provider)
    scene.drive_until(all_run)
    ticket = a_ticket()
    make_due()
    scene.drive_until(all_done)
    before = (Step.objects.values().get(), Attempt.objects.values().get())
    now = datetime.now(UTC)
    for _ in range(2):
        settle.settle_polls([Answer(ticket=ticket, ended_at=now, failed=Failed(reason="no"))], now)
    assert (Step.objects.values().get(), Attempt.objects.values().get()) == before
    assert ticket.external_id in Notice.objects.get().text
    scene.check()


def test_a_job_that_two_polls_saw_ending_is_booked_once(scene):
    provider = scene.vendor("jobs", latency_s=[0.5, 0.5])
    scene.batch(provider=provider)
    scene.drive_until(all_run)
    ticket, now = a_ticket(), datetime.now(UTC)
    link = {"url": f"{SimJobs.base_url}/files/{ticket.external_id}.txt", "media_type": "text/plain", "role": ""}
    ended = Answer(ticket=ticket, ended_at=now, accepted_id=ticket.external_id, links=(link,), units={"calls": 1})
    settle.settle_polls([ended, Answer(ticket=ticket, ended_at=now, running=True), ended], now)
    assert LedgerEntry.objects.filter(kind="settle").count() == 1
    assert Step.objects.get().state == State.FETCHING


def test_what_jobs_take_is_learned_for_the_lane(scene):
    provider = scene.vendor("jobs", latency_s=[0.3, 0.5])
    scene.batch(*"abc", provider=provider)
    scene.drive_until(all_done)
    lane = Lane.objects.get()
    assert list(lane.durations) == [polling.like(_request())]
    [durations] = lane.durations.values()
    assert len(durations) == 3
    assert 0.2 < min(durations) <= max(durations) < 3


def _request():
    from jobs.engine.requests import request_of

    return request_of(Step.objects.select_related("offer").first())
