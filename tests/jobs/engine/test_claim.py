from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from jobs import control
from jobs.engine import settle
from jobs.engine.calls import Answer
from jobs.engine.claim import claim
from jobs.models import Attempt, Batch, Budget, LedgerEntry, Step, Video
from jobs.settings_types import BatchSettings
from jobs.states import Reason, State
from providers.exceptions import NotSent, Unknown
from providers.models import Lane, Offer, Price, Quota
from tests.factories import a_batch, a_provider
from tests.invariants import assert_invariants

from .enlisted import a_worker

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def me():
    with a_worker(NOW) as mine:
        yield mine


@pytest.fixture
def vendor(me):
    return a_vendor()


def a_vendor(slug="sim_instant", **values):
    provider = a_provider(slug, micro=100, **values)
    Price.objects.update(valid_from=datetime(2020, 1, 1, tzinfo=UTC))
    return provider


def batch_of(count, **values):
    settings = values.pop("settings", BatchSettings(script_gate=True))
    return a_batch(*(f"topic {n}" for n in range(count)), settings=settings, now=NOW, **values)


def claimed(me, places=16, *, now=NOW, slug="sim_instant", **options):
    return claim(slug, me, places, lambda: now, **options)


def steps_of(result):
    return list(Step.objects.filter(pk__in=[t.step_id for t in result.tickets]).order_by("rank"))


def test_a_claim_writes_the_intent_before_anything_is_sent(me, vendor):
    batch = batch_of(1)
    ticket = claimed(me).tickets[0]
    step, attempt = Step.objects.get(), Attempt.objects.get()
    assert (step.state, step.fence, step.owner, step.crash_count) == (State.CLAIMED, 1, me.pk, 1)
    assert step.lease_until > attempt.send_deadline > NOW
    assert (attempt.tag, attempt.outcome, attempt.reserved_micro) == (ticket.request.tag, "none", 100)
    assert attempt.request_hash
    assert LedgerEntry.objects.get(batch=batch).kind == "reserve"
    assert Video.objects.get().started_at == NOW
    assert claimed(me).tickets == []
    assert_invariants()


def test_no_more_is_claimed_than_there_are_places(me, vendor):
    batch_of(5)
    assert len(claimed(me, 3).tickets) == 3


def test_without_a_price_there_is_no_call(me, vendor):
    batch_of(1)
    Price.objects.all().delete()
    assert claimed(me).tickets == []


def test_a_price_that_is_not_valid_yet_is_none(me, vendor):
    batch_of(1)
    Price.objects.update(valid_from=NOW + timedelta(seconds=1))
    assert claimed(me).tickets == []
    assert len(claimed(me, now=NOW + timedelta(seconds=1)).tickets) == 1


@pytest.mark.parametrize("what", ["batch", "provider", "lane"])
def test_a_pause_holds_what_is_new(me, vendor, what):
    batch = batch_of(1)
    if what == "batch":
        control.pause(batch, NOW)
    else:
        (type(vendor) if what == "provider" else Lane).objects.update(paused=True)
    assert claimed(me).tickets == []
    control.resume(batch)
    type(vendor).objects.update(paused=False)
    Lane.objects.update(paused=False)
    assert len(claimed(me).tickets) == 1


def test_a_lane_that_pauses_until_a_moment_says_when_to_come_again(me, vendor):
    batch_of(1)
    until = NOW + timedelta(seconds=7)
    Lane.objects.update(paused_until=until)
    result = claimed(me)
    assert (result.tickets, result.next_at) == ([], until)
    assert len(claimed(me, now=until).tickets) == 1


def test_a_window_lets_in_no_more_than_its_amount(me, vendor):
    batch_of(8)
    Quota.objects.create(provider=vendor, amount=3, window_s=10)
    first = claimed(me)
    assert len(first.tickets) == 3
    assert len(claimed(me, now=NOW + timedelta(seconds=10)).tickets) == 0  # the guard
    Attempt.objects.update(on_wire_at=NOW, ended_at=NOW)
    again = claimed(me, now=NOW + timedelta(seconds=9))
    assert again.tickets == []
    assert again.next_at == NOW + timedelta(seconds=10.03)
    assert len(claimed(me, now=again.next_at).tickets) == 3


def test_a_window_counts_from_the_wire_and_what_is_not_there_yet_counts_as_now(me, vendor):
    batch_of(2)
    Quota.objects.create(provider=vendor, amount=1, window_s=10)
    claimed(me)
    assert claimed(me, now=NOW + timedelta(seconds=19)).tickets == []
    assert claimed(me, now=NOW + timedelta(seconds=30)).tickets == []  # it left before its deadline, if at all
    Attempt.objects.update(on_wire_at=NOW + timedelta(seconds=15))
    assert claimed(me, now=NOW + timedelta(seconds=25)).tickets == []
    assert len(claimed(me, now=NOW + timedelta(seconds=25.06)).tickets) == 1


def test_what_was_never_sent_takes_no_place_in_a_window(me, vendor):
    batch_of(2)
    Quota.objects.create(provider=vendor, amount=1, window_s=10)
    claimed(me)
    Attempt.objects.update(outcome="not_sent", ended_at=NOW)
    assert len(claimed(me).tickets) == 1


def test_a_quota_of_characters_waits_for_the_room_a_call_needs(me, vendor):
    batch_of(2)
    Quota.objects.create(provider=vendor, unit="characters", amount=10, window_s=10)
    first = claimed(me)
    assert len(first.tickets) == 1  # "topic 0" has 7
    Attempt.objects.update(on_wire_at=NOW, ended_at=NOW)
    later = claimed(me, now=NOW + timedelta(seconds=1))
    assert later.tickets == []
    assert later.next_at == NOW + timedelta(seconds=10.03)


def test_a_call_above_the_whole_quota_is_let_in_when_nothing_else_is(me, vendor):
    batch_of(1)
    Quota.objects.create(provider=vendor, unit="characters", amount=3, window_s=10)
    assert len(claimed(me).tickets) == 1


@pytest.mark.parametrize("where", ["lane", "provider"])
def test_places_are_kept(me, vendor, where):
    batch_of(5)
    (Lane if where == "lane" else type(vendor)).objects.update(max_in_flight=2)
    assert len(claimed(me).tickets) == 2
    assert claimed(me).tickets == []
    Attempt.objects.filter(pk=Attempt.objects.first().pk).update(ended_at=NOW)
    assert len(claimed(me).tickets) == 1


def test_a_cap_lets_in_what_it_has_room_for(me, vendor):
    batch = batch_of(5, cap_micro=250)
    assert len(claimed(me).tickets) == 2
    budget = Budget.objects.get(batch=batch)
    assert (budget.reserved_micro, budget.room_micro) == (200, 50)
    assert_invariants()


def test_a_batch_whose_cap_is_used_up_keeps_no_other_waiting(me, vendor):
    poor = batch_of(30, cap_micro=0, priority=Batch.Priority.HIGH)
    rich = batch_of(3)
    result = claimed(me, 4)
    assert Counter(s.batch_id for s in steps_of(result)) == {rich.pk: 3}
    assert poor.steps.filter(state=State.READY).count() == 30


def test_a_full_lane_keeps_no_other_lane_waiting(me, vendor):
    full = batch_of(10)
    other = Offer.objects.create(provider=vendor, capability="script", name="two", label="Two")
    lane = Lane.objects.create(provider=vendor, capability="script", offer=other)
    Quota.objects.create(provider=vendor, offer=Offer.objects.get(name="one"), amount=1, window_s=60)
    Step.objects.filter(video__position__gt=5).update(offer=other, lane=lane)
    assert len(claimed(me, 5).tickets) == 5
    assert Counter(full.steps.filter(state=State.CLAIMED).values_list("offer__name", flat=True)) == {"one": 1, "two": 4}


def test_a_narrow_batch_has_one_step_out_over_all_providers(me, vendor):
    other = a_vendor("sim_jobs")
    batch = batch_of(3, settings=BatchSettings(strategy="sequential", script_gate=True))
    step = Step.objects.get(video__position=2)
    Step.objects.filter(pk=step.pk).update(
        provider=other, lane=Lane.objects.get(provider=other), offer=Offer.objects.get(provider=other)
    )
    assert claimed(me, slug="sim_jobs").tickets == []  # the first video stands before it
    first = steps_of(claimed(me))
    assert [s.video.position for s in first] == [1]
    assert claimed(me).tickets == claimed(me, slug="sim_jobs").tickets == []
    Step.objects.filter(pk=first[0].pk).update(state=State.UNKNOWN)
    assert claimed(me, slug="sim_jobs").tickets == []
    Step.objects.filter(pk=first[0].pk).update(state=State.DONE)
    assert claimed(me).tickets == []  # the third waits for the second
    assert len(claimed(me, slug="sim_jobs").tickets) == 1
    assert batch.width == 1


def test_a_gate_holds_and_a_gate_that_opens_later_too(me, vendor):
    batch = batch_of(2)
    Step.objects.filter(video__position=1).update(gate=5)
    Step.objects.filter(video__position=2).update(gate=6)
    Batch.objects.update(open_gate=4)
    assert claimed(me).tickets == []
    Batch.objects.update(open_gate=5, gate_opens_at=NOW + timedelta(seconds=5))
    assert claimed(me).tickets == []
    assert [s.gate for s in steps_of(claimed(me, now=NOW + timedelta(seconds=5)))] == [5]
    assert batch.pk


def test_a_step_that_once_ended_a_process_goes_alone_and_keeps_its_gate(me, vendor):
    batch_of(3)
    Step.objects.filter(video__position__lt=3).update(crash_count=1)
    assert len(claimed(me).tickets) == 1
    assert len(claimed(me, 5, alone_only=True).tickets) == 1
    Batch.objects.update(open_gate=-1)
    assert claimed(me, alone_only=True).tickets == []


def test_a_step_of_a_cancelled_video_is_never_claimed(me, vendor):
    batch_of(1)
    Video.objects.update(cancelled_at=NOW)
    assert claimed(me).tickets == []


def test_a_late_answer_of_an_old_owner_changes_nothing(me, vendor):
    batch_of(1)
    ticket = claimed(me).tickets[0]
    Step.objects.update(state=State.READY, owner=None)
    Attempt.objects.update(outcome="not_sent", ended_at=NOW)
    claimed(me)
    before = list(Step.objects.values()), list(Attempt.objects.order_by("pk").values()), LedgerEntry.objects.count()
    settle.settle_calls([Answer(ticket=ticket, ended_at=NOW, error=Unknown("late"))], NOW)
    settle.set_aside(ticket, "late", NOW)
    after = list(Step.objects.values()), list(Attempt.objects.order_by("pk").values()), LedgerEntry.objects.count()
    assert before == after


def test_a_job_that_was_found_again_and_cannot_be_booked_is_at_risk_once_more(me):
    a_vendor("sim_jobs")
    batch_of(1)
    [ticket] = claimed(me, slug="sim_jobs").tickets
    Budget.objects.create(scope="site", cap_micro=10**9, reserved_micro=Attempt.objects.get().reserved_micro)
    settle.set_aside(ticket, "cannot be booked", NOW)
    control.it_happened(Step.objects.get(), User.objects.create_user("somebody"), NOW, external_id="job-1")
    assert Step.objects.get().state == State.RUNNING
    settle.set_aside(ticket, "cannot be booked", NOW)
    step, attempt, budget = Step.objects.get(), Attempt.objects.get(), Budget.objects.get()
    assert (step.state, step.reason, attempt.outcome) == (State.ATTENTION, Reason.DECISION, "unknown")
    assert (budget.reserved_micro, budget.at_risk_micro) == (0, attempt.reserved_micro)
    assert_invariants()


def test_a_step_that_was_refused_for_hours_is_claimed_all_the_same(me, vendor):
    batch_of(1)
    Step.objects.update(fence=32_767)
    [ticket] = claimed(me).tickets
    assert Attempt.objects.get().no == ticket.fence == 32_768


def test_an_answer_for_a_cancelled_video_is_not_tried_again(me, vendor):
    batch = batch_of(2)
    tickets = claimed(me).tickets
    control.cancel(batch, control.Cancel.ALL_BUT_RUNNING, NOW)
    settle.settle_calls([Answer(ticket=t, ended_at=NOW, error=NotSent("nobody there")) for t in tickets], NOW)
    assert set(Step.objects.values_list("state", flat=True)) == {State.CANCELLED}
    assert_invariants()


def test_cancelling_keeps_a_decision_about_money(me, vendor):
    Price.objects.update(micro=10**6)  # too dear to be risked without asking
    batch = batch_of(1)
    Batch.objects.update(risk_micro=0)  # nothing is sent again without a person
    tickets = claimed(me).tickets
    settle.settle_calls([Answer(ticket=tickets[0], ended_at=NOW, error=Unknown("cut off"))], NOW)
    control.cancel(batch, control.Cancel.EVERYTHING, NOW)
    assert Step.objects.get().reason == Reason.DECISION
    assert_invariants()
