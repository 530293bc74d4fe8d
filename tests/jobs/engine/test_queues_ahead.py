from __future__ import annotations

import pytest

from jobs.models import Notice, Step
from jobs.states import State
from providers.models import Lane
from providers.sync import sync_providers
from tests.invariants import assert_invariants
from tests.simulator_adapter import SimJobs

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def out() -> int:
    return Step.objects.filter(state__in=(State.CLAIMED, State.RUNNING)).count()


def most_out(scene, *, cap: int, ahead: int, count: int = 6) -> int:
    """The most jobs that were out at once, where the vendor works at `cap` and keeps the others waiting."""
    provider = scene.vendor("jobs", latency_s=[0.4, 0.4], concurrency=cap, over_concurrency="throttle")
    Lane.objects.update(max_in_flight=cap, queues_ahead=ahead)
    scene.batch(*map(str, range(count)), provider=provider)
    most = 0

    def all_done():
        nonlocal most
        most = max(most, out())
        return not Step.objects.exclude(state__in=(State.DONE, State.CANCELLED)).exists()

    scene.drive_until(all_done)
    return most


def test_so_many_more_than_the_cap_are_out_and_nothing_is_refused(scene):
    assert most_out(scene, cap=2, ahead=1) == 3
    assert set(scene.verdicts()) == {"accepted"}
    assert not Notice.objects.filter(text__contains="throttled").exists()
    scene.close()
    assert_invariants()  # without the vendor's books, which take those that wait for ones at work


def test_by_default_nothing_waits_at_the_vendor(scene):
    assert Lane().queues_ahead == 0
    assert most_out(scene, cap=2, ahead=0) == 2
    scene.check()


def test_a_lane_without_a_cap_or_at_a_stop_has_nothing_to_be_ahead_of():
    assert Lane(max_in_flight=None, queues_ahead=3).places is None
    assert Lane(max_in_flight=0, queues_ahead=3).places == 0
    assert Lane(max_in_flight=5, queues_ahead=3).places == 8


def test_a_lane_begins_with_what_its_adapter_says(scene, monkeypatch):
    monkeypatch.setattr(SimJobs, "queues_ahead", 2)
    sync_providers()
    assert set(Lane.objects.filter(provider__slug="sim_jobs").values_list("queues_ahead", flat=True)) == {2}
