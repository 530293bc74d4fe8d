"""The risk allowance: cheap calls whose answers were lost are sent again without asking, up to a sum."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from jobs import risk
from jobs.engine import recovery, settle, worker
from jobs.engine.claim import claim
from jobs.models import Attempt, Batch, Budget, Decision, LedgerEntry, RiskPolicy, Step, Video
from jobs.states import Reason, State
from providers import registry
from providers.exceptions import Unknown
from tests.invariants import assert_invariants

from .listed_vendor import PRICE, Blind, answered, claimed, of_listed

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def vendor():
    registry.register(Blind)
    yield
    registry._extra.pop("listed", None)


def lose_answers(at: datetime = NOW) -> list[str]:
    """Claims all that is ready and loses every answer; the states of the steps after it."""
    me = worker.enlist("generation", at)
    tickets = claimed(at, by=me)
    worker.let_go(str(me.pk))
    for ticket in tickets:
        settle.settle_calls([answered(ticket, at, error=Unknown("It never answered."))], at)
    return list(Step.objects.order_by("pk").values_list("state", flat=True))


def taken() -> int:
    return Decision.objects.filter(kind="accept_duplicate").count()


def test_a_cheap_call_is_sent_again_and_its_money_stays_at_risk():
    batch = of_listed(cap_micro=100 * PRICE)  # 1 % of it is one call
    assert lose_answers() == [State.READY]
    decision = Decision.objects.get()
    assert (decision.kind, decision.by, decision.amount_micro) == ("accept_duplicate", None, PRICE)
    assert decision.attempt == Attempt.objects.get()
    assert Budget.objects.get().at_risk_micro == PRICE
    assert risk.allowance_of(batch).left_micro == 0
    assert_invariants(files=False, now=NOW)


def test_what_the_allowance_has_no_room_for_asks_a_person():
    of_listed("Bread", "Bees", "Tides", cap_micro=2 * 100 * PRICE)
    assert sorted(lose_answers()) == [State.ATTENTION, State.READY, State.READY]
    assert Step.objects.get(state=State.ATTENTION).reason == Reason.DECISION
    assert_invariants(files=False, now=NOW)


@pytest.mark.parametrize(
    ("policy", "own", "asks"),
    [
        ({}, None, False),
        ({"per_call_micro": PRICE - 1}, None, True),
        ({"per_call_micro": PRICE}, None, False),
        ({"per_call_micro": 0}, None, True),
        ({"without_cap_micro": 0}, None, True),
        ({"without_cap_micro": PRICE - 1}, None, True),
        ({}, 0, True),
        ({"without_cap_micro": 0}, PRICE, False),
        ({"per_call_micro": 0}, 10 * PRICE, True),
    ],
)
def test_the_policy_of_the_site_and_the_word_of_the_batch_decide(policy, own, asks):
    RiskPolicy.objects.create(**policy)
    batch = of_listed()
    Batch.objects.filter(pk=batch.pk).update(risk_micro=own)
    assert lose_answers() == [State.ATTENTION if asks else State.READY]


def test_the_share_is_of_the_smallest_cap_of_the_batch():
    RiskPolicy.objects.create(share_percent=10)
    batch = of_listed(cap_micro=1000)
    Budget.objects.create(scope="batch", batch=batch, period="day", cap_micro=500)
    assert risk.allowance_of(batch).total_micro == 50


def test_a_call_that_costs_nothing_is_sent_again_unless_a_person_is_always_asked():
    of_listed(micro=0)
    assert lose_answers() == [State.READY]
    Step.objects.update(not_before=NOW)
    RiskPolicy.objects.create(per_call_micro=0)
    assert lose_answers() == [State.ATTENTION]


def test_one_that_never_answers_is_asked_about_after_the_second_time():
    of_listed(cap_micro=10**9)
    found = [lose_answers(NOW + timedelta(minutes=n)) for n in range(3)]
    assert found == [[State.READY], [State.READY], [State.ATTENTION]]
    assert taken() == risk.MOST_TIMES
    assert_invariants(files=False, now=NOW)


def test_what_is_to_be_cancelled_is_not_bought_again():
    of_listed()
    me = worker.enlist("generation", NOW)
    [ticket] = claimed(NOW, by=me)
    worker.let_go(str(me.pk))
    Step.objects.update(cancel_asked=True)
    settle.settle_calls([answered(ticket, NOW, error=Unknown("No."))], NOW)
    assert (Step.objects.get().state, taken()) == (State.ATTENTION, 0)


@pytest.mark.parametrize(("deaths", "again"), [(1, True), (2, False)])
def test_a_step_that_ends_its_process_is_not_sent_again_for_ever(deaths, again):
    of_listed()
    Step.objects.update(crash_count=deaths - 1)
    me = worker.enlist("generation", NOW)
    claim("listed", me, 1, lambda: NOW, alone_only=deaths > 1)
    worker.release(str(me.pk))
    other = worker.enlist("generation", NOW)
    recovery.recover(other, NOW)
    worker.let_go(str(other.pk))
    step = Step.objects.get()
    assert (step.state, step.crash_count) == (State.READY if again else State.ATTENTION, deaths)


def test_a_cancelled_video_is_not_tried_again_and_keeps_its_risk_in_sight():
    of_listed()
    me = worker.enlist("generation", NOW)
    [ticket] = claimed(NOW, by=me)
    worker.let_go(str(me.pk))
    Video.objects.update(cancelled_at=NOW)
    settle.settle_calls([answered(ticket, NOW, error=Unknown("No."))], NOW)
    assert Step.objects.get().state == State.CANCELLED
    assert_invariants(files=False, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_two_lost_answers_at_once_never_use_up_the_same_rest():
    of_listed("Bread", "Bees", "Tides", "Cats", cap_micro=100 * PRICE)
    me = worker.enlist("generation", NOW)
    tickets = claimed(NOW, by=me)
    worker.let_go(str(me.pk))
    ready, trouble = threading.Barrier(len(tickets)), []

    def lose(ticket) -> None:
        try:
            ready.wait(10)
            settle.settle_calls([answered(ticket, NOW, error=Unknown("No."))], NOW)
        except Exception as error:
            trouble.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=lose, args=(ticket,)) for ticket in tickets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert trouble == []
    assert taken() == 1
    assert_invariants(files=False, now=NOW)


def test_a_vendor_that_loses_answers_keeps_no_batch_waiting(scene):
    RiskPolicy.objects.update(without_cap_micro=10_000, per_call_micro=1000)
    scene.batch("Bread", "Bees", provider=scene.vendor("instant", next=["lose_after_accept", "lose_before_accept"]))
    scene.drive_until(lambda: not Step.objects.exclude(state=State.DONE).exists())
    assert len(scene.books()["bills"]) == 3
    sums = [sum(getattr(e, name) for e in LedgerEntry.objects.all()) for name in ("spent_micro", "at_risk_micro")]
    assert sums == [2000, 2000]
    scene.check()
