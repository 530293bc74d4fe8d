"""A lane that is too slow for the deadline of a batch gives way, as far as it has to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import rerouting, too_slow
from jobs.models import Batch, Chore, LedgerEntry, Notice, Step
from jobs.settings_types import BatchSettings
from jobs.states import State
from providers.adapters.studio import Studio
from providers.models import Lane, Offer, Quota
from providers.types import Capability
from tests.factories import a_batch, a_provider, local_providers
from tests.simulator_adapter import register_all

pytestmark = [pytest.mark.engine, pytest.mark.django_db]

NOW = datetime(2025, 11, 28, 12, tzinfo=UTC)
TOPICS = [f"topic {n}" for n in range(6)]
HOUR = timedelta(hours=1)


@pytest.fixture
def slow(db):
    """Two scripts an hour."""
    local_providers()
    register_all("http://127.0.0.1:9")
    provider = a_provider("sim_jobs")
    Quota.objects.create(provider=provider, unit="requests", window_s=3600, amount=2)
    return provider


@pytest.fixture
def quick(slow):
    return a_provider("sim_keyed")


def a_hurried_batch(*providers, hours=1.5, failover=True, topics=TOPICS, **values) -> Batch:
    offers = [Offer.objects.get(provider=provider).pk for provider in providers]
    settings = BatchSettings(scenes=1, seconds=4, offers={"script": offers}, failover=failover)
    return a_batch(*topics, settings=settings, now=NOW, **{"finish_by": NOW + hours * HOUR, **values})


def positions_at(provider) -> list[int]:
    return list(Step.objects.filter(provider=provider).order_by("rank").values_list("video__position", flat=True))


def test_the_last_go_and_no_more_than_have_to(slow, quick):
    a_hurried_batch(slow, quick)
    assert rerouting.reroute(NOW) == 2
    assert (positions_at(slow), positions_at(quick)) == ([1, 2, 3, 4], [5, 6])
    moved = Step.objects.filter(provider=quick).select_related("offer", "lane", "instead_of").first()
    assert (moved.lane.provider, moved.offer.provider, moved.instead_of.provider) == (quick, quick, slow)
    assert moved.gave_way == Step.GaveWay.SLOW
    assert "takes over 2 steps of “A batch”" in Notice.objects.get().text
    assert "which is too slow for the deadline." in Notice.objects.get().text


@pytest.mark.parametrize(
    "values", [{"hours": 3}, {"finish_by": None}, {"failover": False}, {"hours": -1}, {"hours": 0.0001}]
)
def test_nothing_moves_in_time_without_a_deadline_without_leave_or_in_vain(slow, quick, values):
    a_hurried_batch(slow, quick, **values)
    assert rerouting.reroute(NOW) == 0


@pytest.mark.parametrize("state", [State.CLAIMED, State.RUNNING, State.UNKNOWN, State.FETCHING])
def test_what_is_out_stays_where_it_is(slow, quick, state):
    a_hurried_batch(slow, quick)
    Step.objects.update(state=state)
    assert rerouting.reroute(NOW) == 0


def test_one_that_is_as_slow_takes_no_more_than_it_can_do_in_time(slow, quick):
    Quota.objects.create(provider=quick, unit="requests", window_s=3600, amount=1)
    a_hurried_batch(slow, quick, hours=0.5)
    assert rerouting.reroute(NOW) == 1
    assert positions_at(quick) == [6]


def test_where_the_next_has_no_room_the_one_after_it_helps(slow, quick):
    Quota.objects.create(provider=quick, unit="requests", window_s=3600, amount=1)
    third = a_provider("sim_instant")
    a_hurried_batch(slow, quick, third, hours=0.5)
    assert rerouting.reroute(NOW) == 4
    assert (positions_at(slow), positions_at(quick), positions_at(third)) == ([1, 2], [6], [3, 4, 5])


def test_nothing_goes_to_one_that_is_stopped(slow, quick):
    a_hurried_batch(slow, quick)
    Lane.objects.filter(provider=quick).update(paused=True)
    assert rerouting.reroute(NOW) == 0


def test_it_is_looked_at_every_20_seconds(slow, quick, monkeypatch):
    monkeypatch.setattr(too_slow, "AT_ONCE", 1)
    a_hurried_batch(slow, quick)
    moved = [rerouting.reroute(NOW + timedelta(seconds=s)) for s in (0, 2, 18, 20, 40, 60)]
    assert moved == [1, 0, 0, 1, 0, 0]


def test_without_a_deadline_nobody_looks(slow, quick):
    a_hurried_batch(slow, quick, finish_by=None)
    rerouting.reroute(NOW)
    assert not Chore.objects.exists()


def test_nothing_comes_back_for_the_same_reason(slow, quick):
    a_hurried_batch(slow, quick)
    rerouting.reroute(NOW)
    Quota.objects.all().delete()
    Quota.objects.create(provider=quick, unit="requests", window_s=36_000, amount=1)
    assert [rerouting.reroute(NOW + timedelta(seconds=s)) for s in (20, 40, 60)] == [0, 0, 0]
    assert positions_at(quick) == [5, 6]


def test_what_its_video_needs_afterwards_counts(slow, quick, monkeypatch):
    """A script that nobody has measured takes 10 s, and the rest of its video two minutes more."""
    monkeypatch.setattr(Studio, "usual_s", {Capability.IMAGE: (12.0, 12.0), Capability.CLIP: (90.0, 90.0)})
    a_hurried_batch(slow, quick, hours=100 / 3600)
    assert rerouting.reroute(NOW) == 0
    Chore.objects.all().delete()
    Batch.objects.update(finish_by=NOW + timedelta(seconds=200))
    assert rerouting.reroute(NOW) == 4


def test_what_others_have_waiting_in_the_lane_counts(slow, quick):
    first = Offer.objects.get(provider=slow).pk
    urgent = BatchSettings(scenes=1, seconds=4, offers={"script": [first]})
    a_batch("a", "b", settings=urgent, now=NOW, priority=Batch.Priority.HIGH)
    batch = a_hurried_batch(slow, quick)
    assert rerouting.reroute(NOW) == 4
    assert Step.objects.filter(batch=batch, provider=slow).count() == 2


def test_those_that_nobody_can_take_do_not_hide_the_others(slow, quick, monkeypatch):
    monkeypatch.setattr(too_slow, "AT_ONCE", 1)
    a_hurried_batch(slow, quick)
    last = Step.objects.order_by("-rank").first()
    Step.objects.filter(pk=last.pk).update(want={**last.want, "voice": "bob"})
    Offer.objects.filter(provider=quick).update(voices=[["en", "anna", "Anna"]])
    assert rerouting.reroute(NOW) == 1
    assert positions_at(quick) == [5]


@pytest.mark.slow
def test_the_ledger_says_why(scene):
    local_providers()
    slow, quick = scene.vendor("jobs"), scene.vendor("keyed")
    Quota.objects.create(provider=slow, unit="requests", window_s=86_400, amount=1)
    offers = [Offer.objects.get(provider=provider).pk for provider in (slow, quick)]
    settings = BatchSettings(scenes=1, seconds=4, offers={"script": offers}, failover=True, script_gate=True)
    now = datetime.now(UTC)
    batch = a_batch("one", "two", settings=settings, finish_by=now + HOUR)
    scene.drive_until(lambda: Step.objects.filter(batch=batch, state=State.DONE).count() == 2)
    notes = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.RESERVE).order_by("provider__slug")
    assert {(entry.attempt.provider.slug, entry.note) for entry in notes} == {
        (slow.slug, ""),
        (quick.slug, "took over from another provider, which is too slow for the deadline"),
    }
    scene.check()
