"""A step that once ended its process is worked on alone; nothing beside it waits where that cannot be."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from jobs.engine import suspects as suspects_module
from jobs.engine.drive import Drive
from jobs.engine.suspects import Suspects
from jobs.models import Attempt, Budget, Step
from jobs.states import State
from providers import registry
from providers.models import Lane, Provider

from .listed_vendor import Listed, of_listed
from .stopped import closed_until

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def suspects(monkeypatch):
    """What a drive remembers of them; it looks at every call here."""
    monkeypatch.setattr(suspects_module, "LOOK_EVERY_S", -1.0)
    monkeypatch.setattr(random, "uniform", lambda low, high: low)
    registry.register(Listed)
    yield Suspects(State.FETCHING, lambda slug: True)
    registry._extra.pop("listed", None)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(("of_provider", "of_lane"), closed_until(LATER))
def test_where_its_provider_or_lane_is_closed_nothing_waits_for_it(suspects, of_provider, of_lane):
    of_listed()
    Step.objects.update(crash_count=1)
    assert suspects.look(NOW) == [(State.READY, "listed")]
    Provider.objects.update(**of_provider)
    Lane.objects.update(**of_lane)
    assert suspects.look(NOW) == []


@pytest.mark.parametrize("field", ["paused_until", "broken_until"])
def test_a_pause_that_is_over_does_not_hold_it(suspects, field):
    of_listed()
    Step.objects.update(crash_count=1)
    Lane.objects.update(**{field: NOW})
    assert suspects.look(NOW) == [(State.READY, "listed")]


def test_after_a_try_in_vain_it_waits_longer_each_time_but_not_for_ever(suspects):
    of_listed()
    Step.objects.update(crash_count=1)
    at, waits = 0.0, []
    for _ in range(7):
        assert suspects.look(after(at)) == [(State.READY, "listed")]
        suspects.tried_in_vain("listed", after(at))
        tried = at
        while not suspects.look(after(at)):
            at += 20
        waits.append(at - tried)
    assert waits == [60, 120, 240, 480, 960, 960, 960]


def test_while_nothing_has_to_wait_for_it_it_is_tried_every_two_seconds(suspects):
    of_listed()
    Step.objects.update(crash_count=1)
    for at in range(0, 60, 2):
        assert suspects.look(after(at), is_idle=True) == [(State.READY, "listed")]
        suspects.tried_in_vain("listed", after(at))
        assert suspects.look(after(at + 1), is_idle=True) == []
    assert suspects.look(after(59)) == []
    assert suspects.look(after(60)) == [(State.READY, "listed")]


def test_one_that_was_tried_in_vain_keeps_no_other_waiting(suspects):
    of_listed("one")
    Step.objects.update(crash_count=1)
    suspects.look(NOW)
    suspects.tried_in_vain("listed", NOW)
    assert suspects.look(after(10)) == []
    of_listed("two")
    Step.objects.update(crash_count=1)
    assert suspects.look(after(10)) == [(State.READY, "listed")]


# -- the drive ---------------------------------------------------------------------------------------------------------


def busy_with(drive: Drive, kind: str) -> threading.Event:
    """A thread of its pool works until the event is set, and brings nothing."""
    over = threading.Event()

    def work() -> None:
        over.wait(10)
        raise RuntimeError("nothing to book")

    drive.pool.start(kind, work)
    return over


@pytest.mark.django_db(transaction=True)
def test_the_pool_is_not_emptied_again_at_once_for_one_whose_cap_is_full(scene):
    capped = scene.batch(provider=scene.vendor("jobs"))
    Budget.objects.create(scope="batch", batch=capped, period="total", cap_micro=1)
    Step.objects.update(crash_count=1)
    ahead = timedelta(0)
    mine = Drive("generation", slice_s=60, clock=lambda: datetime.now(UTC) + ahead)
    scene.drives = [mine]
    mine.step_once()  # in vain
    assert not Attempt.objects.exists()
    scene.batch("a", "b", provider=scene.vendor("keyed"))
    ahead, mine.suspects._looked = timedelta(seconds=10), float("-inf")
    over = busy_with(mine, "fetch")
    assert mine._begin() == 2
    over.set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("beside", "asks"), [("fetch", True), ("poll", False)])
def test_while_the_pool_empties_jobs_are_asked_about_only_as_long_as_others_are_awaited(scene, beside, asks):
    """Else a thousand jobs would keep it busy for ever."""
    provider = scene.vendor("jobs", latency_s=[5, 6])
    scene.batch(provider=provider)
    scene.drive_until(lambda: Step.objects.filter(state=State.RUNNING).exists() and not scene.drives[0].pool.busy)
    mine, _ = scene.drives
    over = busy_with(mine, beside)
    scene.batch("suspect", provider=provider)
    Step.objects.filter(state=State.READY).update(crash_count=1)
    mine.suspects._looked = float("-inf")
    Step.objects.filter(state=State.RUNNING).update(not_before=F("created_at"))
    assert bool(mine._begin()) is asks
    over.set()
