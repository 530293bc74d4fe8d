from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.db import connection

from jobs.control import it_happened, try_again
from jobs.engine import reconcile
from jobs.models import Asset, Attempt, Budget, LedgerEntry, Step, Video
from jobs.states import Reason, State
from providers.models import Lane, Offer, Price
from tests.simulator_adapter import SimInstant, SimJobs

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def first_and_slow(*faults: str) -> list:
    """One of a kind with the quick tests, its sisters with the thorough ones."""
    return [faults[0], *(pytest.param(fault, marks=pytest.mark.slow) for fault in faults[1:])]


BEFORE = first_and_slow("lose_before_accept", "500_before", "503_before")
AFTER = first_and_slow("lose_after_accept", "500_after", "504_after", "garbage_after")


def all_done():
    return not Step.objects.exclude(state__in=(State.DONE, State.CANCELLED)).exists()


def needs_a_person():
    return Step.objects.filter(state=State.ATTENTION).exists()


def outcomes():
    return list(Attempt.objects.order_by("pk").values_list("outcome", flat=True))


@pytest.mark.parametrize("vendor", ["instant", "keyed", "jobs"])
def test_what_goes_well_is_bought_once_and_booked(scene, vendor):
    provider = scene.vendor(vendor)
    scene.batch("Bread", "Rain", provider=provider)
    scene.drive_until(all_done)
    assert scene.verdicts() == ["accepted", "accepted"]
    assert LedgerEntry.objects.filter(kind="settle", spent_micro=1000).count() == 2
    assert Video.objects.filter(state=Video.State.GATE).count() == 2
    scene.check()


@pytest.mark.parametrize("fault", [*BEFORE, *AFTER])
def test_a_blind_lost_answer_waits_for_a_decision_with_its_money_at_risk(scene, fault):
    provider = scene.vendor("instant", next=[fault])
    budget = Budget.objects.create(scope="provider", provider=provider, cap_micro=10_000)
    scene.batch(provider=provider)
    scene.drive_until(needs_a_person)
    step = Step.objects.get()
    budget.refresh_from_db()
    assert (step.reason, outcomes()) == (Reason.DECISION, ["unknown"])
    assert (budget.at_risk_micro, budget.reserved_micro, budget.spent_micro) == (1000, 0, 0)
    assert len(scene.submits()) == 1
    scene.check()


@pytest.mark.parametrize(("fault", "bills"), [("lose_before_accept", 1), ("lose_after_accept", 2)])
def test_a_person_may_send_it_again(scene, somebody, fault, bills):
    provider = scene.vendor("instant", next=[fault])
    scene.batch(provider=provider)
    scene.drive_until(needs_a_person)
    step = Step.objects.get()
    (try_again if bills == 1 else it_happened)(step, somebody, datetime.now(UTC))
    scene.drive_until(all_done)
    books = scene.books()
    assert len(books["bills"]) == bills
    assert LedgerEntry.objects.filter(spent_micro=1000).count() == bills
    scene.check()


@pytest.mark.parametrize("fault", BEFORE)
def test_a_job_that_two_listings_do_not_show_is_sent_exactly_once_more(scene, fault):
    provider = scene.vendor("jobs", next=[fault])
    scene.batch(provider=provider)
    scene.drive_until(all_done)
    looks = [r for r in scene.books()["requests"] if r["method"] == "GET" and r["path"] == "v1/jobs"]
    assert len(looks) == 2
    assert outcomes() == ["not_sent", "accepted"]
    assert len(scene.books()["bills"]) == 1
    scene.check()


@pytest.mark.parametrize("fault", [*AFTER, "no_id"])
def test_a_job_that_the_vendor_has_is_adopted(scene, fault):
    provider = scene.vendor("jobs", next=[fault])
    scene.batch(provider=provider)
    scene.drive_until(all_done)
    assert outcomes() == ["adopted"]
    assert len(scene.submits()) == 1
    scene.check()


@pytest.mark.parametrize("fault", [*BEFORE, *AFTER])
def test_the_same_key_gives_the_same_job_and_one_bill(scene, fault):
    provider = scene.vendor("keyed", next=[fault])
    scene.batch(provider=provider)
    scene.drive_until(all_done)
    assert outcomes() == ["adopted"]
    assert len(scene.books()["bills"]) == 1
    assert len({row["fingerprint"] for row in scene.submits()}) == 1
    scene.check()


def test_a_listing_that_fails_says_nothing(scene):
    provider = scene.vendor("jobs", next=["lose_after_accept"], next_get=["500", "lose", "garbage", "429"])
    scene.batch(provider=provider)
    scene.drive_until(all_done)
    assert outcomes() == ["adopted"]
    scene.check()


def test_a_listing_that_lags_leads_to_no_second_job(scene, monkeypatch):
    monkeypatch.setattr(reconcile, "LIST_LAG_S", 0.8)
    provider = scene.vendor("jobs", next=["lose_after_accept"], list_lag_s=0.6)
    scene.batch(provider=provider)
    scene.drive_until(all_done)
    assert outcomes() == ["adopted"]
    scene.check()


@pytest.mark.parametrize("fault", ["400", "401", "402"])
def test_a_refusal_costs_nothing(scene, fault):
    provider = scene.vendor("jobs", next=[fault])
    scene.batch(provider=provider)
    scene.drive_until(lambda: Attempt.objects.exclude(ended_at=None).exists())
    for _ in range(3):
        scene.drives[0].step_once()
    provider.refresh_from_db()
    assert provider.paused is (fault != "400")
    assert bool(provider.pause_reason) is (fault != "400")
    assert Step.objects.get().state == (State.ATTENTION if fault == "400" else State.READY)
    assert Step.objects.get().failures == 0
    assert len(scene.submits()) == 1
    scene.check()


def test_a_429_pauses_the_lane_and_takes_no_try(scene):
    provider = scene.vendor("jobs", next=["429"])
    scene.batch(provider=provider)
    scene.drive_until(all_done)
    pause = Lane.objects.get().paused_until
    first, second = scene.submits()
    assert (first["verdict"], second["verdict"]) == ("fault 429", "accepted")
    assert second["at"] >= pause.timestamp()
    assert Step.objects.get().failures == 0
    scene.check()


@pytest.mark.slow
@pytest.mark.parametrize(
    "limits", [{"limits": [{"requests": 2, "per_s": 1.0}]}, {"concurrency": 2, "latency_s": [0.2, 0.3]}]
)
def test_limits_that_we_do_not_know_of_are_learnt_from_429s(scene, limits):
    provider = scene.vendor("jobs", **limits)
    scene.batch(*"abcdef", provider=provider)
    scene.drive_until(all_done)
    assert len(scene.books()["bills"]) == 6
    assert Step.objects.filter(failures__gt=0).count() == 0
    scene.check()


def test_connection_refused_books_nothing_and_is_tried_again(scene, monkeypatch):
    provider = scene.vendor("jobs")
    url = SimJobs.base_url
    monkeypatch.setattr(SimJobs, "base_url", "http://127.0.0.1:9")
    scene.batch(provider=provider)
    scene.drive_until(lambda: Attempt.objects.filter(outcome="not_sent").exists())
    monkeypatch.setattr(SimJobs, "base_url", url)
    scene.drive_until(all_done)
    assert len(scene.submits()) == 1
    assert LedgerEntry.objects.filter(kind="release").exists()
    scene.check()


def test_three_definite_failures_and_a_person_is_asked(scene, somebody):
    provider = scene.vendor("jobs", next=["fail_job"] * 3)
    scene.batch(provider=provider)
    scene.drive_until(needs_a_person)
    step = Step.objects.get()
    assert (step.reason, len(scene.submits())) == (Reason.FAILED, 3)
    assert "could not make it" in step.message
    try_again(step, somebody, datetime.now(UTC))
    scene.drive_until(all_done)
    scene.check()


def test_failed_jobs_that_are_billed_are_booked(scene):
    provider = scene.vendor("jobs", next=["fail_job"], bill_failed=True)
    scene.batch(provider=provider)
    scene.drive_until(all_done)
    assert LedgerEntry.objects.filter(spent_micro=1000).count() == 2
    scene.check()
    scene.sim.control("jobs", bill_failed=False)


def test_what_was_declined_goes_to_a_person_at_once(scene):
    provider = scene.vendor("jobs", next=["moderated"])
    scene.batch(provider=provider)
    scene.drive_until(needs_a_person)
    assert Step.objects.get().reason == Reason.CONTENT
    assert len(scene.submits()) == 1
    scene.check()


def test_an_unknown_word_for_its_state_means_still_at_work(scene):
    provider = scene.vendor("jobs", next=["unknown_status"], latency_s=[0.3, 0.4])
    scene.batch(provider=provider)
    scene.drive_until(all_done)
    assert len(scene.submits()) == 1
    scene.check()


def test_polls_that_fail_are_asked_again(scene, monkeypatch):
    provider = scene.vendor("jobs", next_get=["500", "lose", "garbage", "429"])
    scene.batch(provider=provider)
    scene.drive_until(lambda: Step.objects.filter(state=State.RUNNING).exists())

    def hurry():
        Step.objects.filter(state=State.RUNNING).update(not_before=datetime.now(UTC))
        return all_done()

    scene.drive_until(hurry)
    assert len(scene.submits()) == 1
    scene.check()


def test_a_cut_file_is_fetched_again_and_not_made_again(scene):
    provider = scene.vendor("jobs", next=["cut_file"])
    scene.batch(provider=provider)
    for rows in (Lane, Offer, Price):  # a script comes within the answer; the file of a voiceover is a link
        rows.objects.filter(provider=provider).update(capability="voiceover")
    want = {**Step.objects.get().want, "expected_s": 2.0, "prompt": "Bread rises because of yeast."}
    Step.objects.update(stage="voiceover", want=want)
    scene.drive_until(lambda: Asset.objects.filter(kind="voiceover").exists())
    assert scene.books()["bills"][0]["fetches"] == 2
    assert len(scene.submits()) == 1


def test_an_adapter_that_breaks_is_no_reason_to_send_twice(scene, monkeypatch):
    provider = scene.vendor("instant")
    monkeypatch.setattr(SimInstant, "finished", lambda self, job: 1 / 0)
    scene.batch(provider=provider)
    scene.drive_until(needs_a_person)
    assert Step.objects.get().reason == Reason.DECISION
    assert len(scene.submits()) == 1
    scene.check()


def test_finished_without_a_file_is_a_failure_and_bought_three_times_at_most(scene, monkeypatch):
    finished = SimInstant.finished
    monkeypatch.setattr(SimInstant, "finished", lambda self, job: replace(finished(self, job), outputs=()))
    provider = scene.vendor("instant")
    scene.batch(provider=provider)
    scene.drive_until(needs_a_person)
    assert len(scene.submits()) == 3
    assert LedgerEntry.objects.filter(spent_micro=1000).count() == 3
    assert "no file" in Step.objects.get().message


def test_no_exception_comes_out_of_a_thread(scene, monkeypatch):
    provider = scene.vendor("instant")
    monkeypatch.setattr(SimInstant, "local", True)  # makes files, so it needs a place for them
    monkeypatch.setattr(settings, "WORK_ROOT", "/proc/nothing")
    scene.batch(provider=provider)
    scene.drive_until(lambda: Attempt.objects.filter(outcome="not_sent").exists())
    assert scene.submits() == []
    monkeypatch.undo()


def test_an_id_that_belongs_to_another_attempt_harms_only_its_own_step(scene, monkeypatch):
    submit = SimJobs.submit
    monkeypatch.setattr(SimJobs, "submit", lambda self, request: replace(submit(self, request), external_id="job-1"))
    provider = scene.vendor("jobs")
    scene.batch("a", "b", provider=provider)
    scene.drive_until(needs_a_person)
    assert Step.objects.filter(state=State.ATTENTION, reason=Reason.DECISION).count() == 1
    assert sorted(outcomes()) == ["accepted", "unknown"]


def test_no_transaction_is_open_while_a_call_is_out(scene, monkeypatch):
    seen = []
    submit = SimInstant.submit
    monkeypatch.setattr(
        SimInstant, "submit", lambda self, request: (seen.append(connection.in_atomic_block), submit(self, request))[1]
    )
    scene.batch(provider=scene.vendor("instant"))
    scene.drive_until(all_done)
    assert seen == [False]
