"""Failover: who takes over what, when, and where that is said."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from jobs.engine import desk, rerouting, worker
from jobs.engine.claim import claim
from jobs.engine.requests import request_of, seconds_of
from jobs.models import LedgerEntry, Notice, Step
from jobs.settings_types import BatchSettings
from jobs.states import Reason, State
from providers.models import Lane, Offer, Price, Provider
from tests.factories import a_batch, a_provider
from tests.simulator_adapter import register_all

from .stopped import closed_until

pytestmark = [pytest.mark.engine, pytest.mark.django_db]

NOW = datetime(2025, 11, 28, 12, tzinfo=UTC)
SOON, LATER = NOW + timedelta(seconds=20), NOW + timedelta(minutes=10)


@pytest.fixture
def first(monkeypatch):
    register_all("http://127.0.0.1:9")
    return a_provider("sim_jobs")


@pytest.fixture
def second(first):
    return a_provider("sim_keyed")


def a_step(first, second, **settings) -> Step:
    offers = [Offer.objects.get(provider=provider).pk for provider in (first, second)]
    a_batch(settings=BatchSettings(scenes=1, seconds=4, offers={"script": offers}, **settings), now=NOW)
    return Step.objects.select_related("provider", "offer").get()


def now_at(step: Step) -> str:
    return Step.objects.select_related("provider").get(pk=step.pk).provider.slug


@pytest.mark.parametrize(("of_provider", "of_lane"), closed_until(LATER))
def test_the_next_takes_over_where_the_first_is_stopped_for_long(first, second, of_provider, of_lane):
    step = a_step(first, second, failover=True)
    Provider.objects.filter(pk=first.pk).update(**of_provider)
    Lane.objects.filter(provider=first).update(**of_lane)
    assert rerouting.reroute(NOW) == 1
    moved = Step.objects.get(pk=step.pk)
    assert (moved.provider, moved.offer.provider, moved.lane.provider) == (second, second, second)
    assert moved.instead_of.provider == first
    assert moved.fence == step.fence + 1
    assert "takes over 1 step" in Notice.objects.get().text
    assert rerouting.reroute(NOW) == 0


@pytest.mark.parametrize("pause", [{}, {"paused_until": SOON}, {"broken_until": SOON}])
def test_a_short_pause_is_waited_for(first, second, pause):
    step = a_step(first, second, failover=True)
    Lane.objects.filter(provider=first).update(**pause)
    assert rerouting.reroute(NOW) == 0
    assert now_at(step) == "sim_jobs"


def test_only_where_the_project_allows_it(first, second):
    step = a_step(first, second, failover=False)
    Provider.objects.filter(pk=first.pk).update(paused=True)
    assert rerouting.reroute(NOW) == 0
    assert now_at(step) == "sim_jobs"


def test_nothing_goes_to_one_that_is_stopped_itself(first, second):
    step = a_step(first, second, failover=True)
    Provider.objects.update(paused=True)
    assert rerouting.reroute(NOW) == 0
    assert now_at(step) == "sim_jobs"


@pytest.mark.parametrize("state", [State.CLAIMED, State.RUNNING, State.UNKNOWN, State.FETCHING, State.DONE])
def test_what_is_out_stays_where_it_is(first, second, state):
    step = a_step(first, second, failover=True)
    Step.objects.update(state=state)
    Provider.objects.filter(pk=first.pk).update(paused=True)
    assert rerouting.reroute(NOW) == 0
    assert now_at(step) == "sim_jobs"


def test_what_one_declined_goes_to_the_next_where_that_is_allowed(first, second):
    step = a_step(first, second, declined_elsewhere=True)
    Step.objects.update(state=State.ATTENTION, reason=Reason.CONTENT, message="declined")
    assert rerouting.reroute(NOW) == 1
    moved = Step.objects.get(pk=step.pk)
    assert (moved.state, moved.reason, moved.message, moved.provider) == (State.READY, "", "", second)
    assert "declined the content" in Notice.objects.get().text


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"failover": True}, Reason.CONTENT), ({"declined_elsewhere": True}, Reason.REJECTED)],
)
def test_nothing_else_that_waits_for_a_person_is_taken_from_them(first, second, settings, reason):
    step = a_step(first, second, **settings)
    Step.objects.update(state=State.ATTENTION, reason=reason)
    assert rerouting.reroute(NOW) == 0
    assert now_at(step) == "sim_jobs"


def test_one_that_takes_over_makes_a_length_that_it_sells(first, second):
    step = a_step(first, second, failover=True)
    step.want = {**step.want, "seconds": 4.2}
    step.offer = Offer(provider=second, name="other", lengths=[10, 5])
    assert seconds_of(step) == 5
    assert request_of(step).seconds == 5


def test_a_clip_does_not_get_shorter_by_it(first, second):
    step = a_step(first, second, failover=True)
    Step.objects.update(want={**step.want, "seconds": 8.0})
    Offer.objects.filter(provider=second).update(lengths=[2, 4])
    Provider.objects.filter(pk=first.pk).update(paused=True)
    assert rerouting.reroute(NOW) == 0


@pytest.mark.slow
def test_the_ledger_says_who_took_over(scene):
    broken = scene.vendor("jobs")
    other = scene.vendor("keyed")
    step = a_step(broken, other, failover=True, script_gate=True)
    Provider.objects.filter(pk=broken.pk).update(paused=True)
    scene.drive_until(Step.objects.filter(pk=step.pk, state=State.DONE).exists)
    entry = LedgerEntry.objects.get(kind=LedgerEntry.Kind.RESERVE)
    assert (entry.note, entry.attempt.provider) == ("took over from another provider, which is stopped", other)
    scene.check()


def test_steps_that_nobody_can_take_do_not_hide_the_others(first, second, monkeypatch):
    monkeypatch.setattr(rerouting, "AT_ONCE", 2)
    alone = Offer.objects.get(provider=first).pk
    settings = BatchSettings(scenes=1, seconds=4, offers={"script": [alone]}, failover=True)
    a_batch("one", "two", "three", settings=settings, now=NOW)
    offers = [alone, Offer.objects.get(provider=second).pk]
    a_batch("four", settings=BatchSettings(scenes=1, seconds=4, offers={"script": offers}, failover=True), now=NOW)
    Provider.objects.filter(pk=first.pk).update(paused=True)
    assert rerouting.reroute(NOW) == 1


def a_stuck_batch(count, *choices, **settings):
    """The first of the choices is paused."""
    offers = [Offer.objects.get(provider=provider).pk for provider in choices]
    wanted = BatchSettings(scenes=1, seconds=4, offers={"script": offers}, failover=True, **settings)
    batch = a_batch(*(f"topic {n}" for n in range(count)), settings=wanted, now=NOW)
    Provider.objects.filter(pk=choices[0].pk).update(paused=True)
    return batch


@pytest.fixture
def pages(monkeypatch):
    """Of two steps each: what was looked through, page by page."""
    monkeypatch.setattr(rerouting, "AT_ONCE", 2)
    looked, look = [], rerouting._reroute
    monkeypatch.setattr(
        rerouting, "_reroute", lambda steps, ids, *args, **kw: looked.append(ids) or look(steps, ids, *args, **kw)
    )
    return looked


def test_where_nobody_else_could_take_them_stuck_steps_are_not_even_looked_through(first, second, pages):
    a_stuck_batch(5, first)
    a_stuck_batch(5, first, second)
    Provider.objects.update(paused=True)
    assert rerouting.reroute(NOW) == 0
    assert pages == []


def test_stages_of_which_nothing_else_is_open_are_passed_over(first, second, pages):
    a_stuck_batch(5, first)
    batch = a_stuck_batch(1, first, second)
    assert rerouting.reroute(NOW) == 1
    assert pages == [[batch.steps.get().pk]]


def test_the_pages_of_one_look_are_few_and_the_next_look_goes_on_from_there(first, second, pages):
    """The thread that looks books what comes back, too."""
    batch = a_stuck_batch(7, first, second)
    Step.objects.update(want={**batch.steps.first().want, "seconds": 8.0})
    Offer.objects.filter(provider=second).update(lengths=[2, 4])  # nothing long enough
    ids = list(batch.steps.order_by("pk").values_list("pk", flat=True))
    places = {}
    assert rerouting.reroute(NOW, places) == 0
    assert pages == [ids[:2], ids[2:4]]
    Offer.objects.filter(provider=second).update(lengths=[])
    assert [rerouting.reroute(NOW, places) for _ in range(5)] == [2, 1, 2, 2, 0]
    assert pages[2:] == [ids[4:6], ids[6:], ids[:2], ids[2:4]]


def test_time_to_take_a_decision_back_is_not_cut_short(first, second):
    a_step(first, second, failover=True)
    Step.objects.update(not_before=SOON)
    Provider.objects.filter(pk=first.pk).update(paused=True)
    rerouting.reroute(NOW)
    assert Step.objects.get().not_before == SOON


def test_there_and_back_it_is_nobody_elses(first, second):
    a_step(first, second, failover=True)
    for stopped, other in ((first, second), (second, first)):
        Provider.objects.filter(pk=stopped.pk).update(paused=True)
        Provider.objects.filter(pk=other.pk).update(paused=False)
        assert rerouting.reroute(NOW) == 1
    step = Step.objects.get()
    assert (step.provider, step.instead_of) == (first, None)


def test_a_voice_does_not_become_another_ones(first, second):
    step = a_step(first, second, failover=True)
    Step.objects.update(want={**step.want, "voice": "bob"})
    Offer.objects.filter(provider=second).update(voices=[["en", "anna", "Anna"]])
    Provider.objects.filter(pk=first.pk).update(paused=True)
    assert rerouting.reroute(NOW) == 0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_step_does_not_change_its_vendor_under_a_claim(first, second, monkeypatch):
    step = a_step(first, second, failover=True)
    Price.objects.update(valid_from=NOW - timedelta(days=9))
    me, write = worker.enlist("generation", NOW), desk.Desk.write

    def meanwhile():
        try:
            rerouting.reroute(NOW)
        finally:
            connection.close()

    def slowly(self, steps, by):
        Lane.objects.filter(provider=first).update(paused=True)
        other.start()
        other.join(1)
        return write(self, steps, by)

    other = threading.Thread(target=meanwhile)
    monkeypatch.setattr(desk.Desk, "write", slowly)
    try:
        (ticket,) = claim("sim_jobs", me, 5, lambda: NOW).tickets
        other.join(10)
        claimed = Step.objects.select_related("provider").get(pk=step.pk)
        assert (claimed.provider.slug, claimed.fence, claimed.state) == (ticket.slug, ticket.fence, State.CLAIMED)
    finally:
        worker.let_go(str(me.pk))
