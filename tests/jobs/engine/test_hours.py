"""The hours of `Usage` are always the sums over their attempts; quotas hold across processes."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from time import sleep

import pytest

from jobs.models import COUNTS, Attempt, Step
from jobs.states import State
from providers.models import Lane, Quota, Usage
from tests.simulator_adapter import URL_VARIABLE

pytestmark = pytest.mark.engine


def all_done():
    return not Step.objects.exclude(state__in=(State.DONE, State.CANCELLED)).exists()


def assert_hours_are_sums():
    counted, hours = Counter(), Counter()
    for attempt in Attempt.objects.filter(COUNTS):
        hour = attempt.sent_at.replace(minute=0, second=0, microsecond=0)
        for unit in ("images", "tokens", "characters"):
            counted[attempt.provider_id, attempt.capability, attempt.offer_id, hour, unit] += getattr(attempt, unit)
        counted[attempt.provider_id, attempt.capability, attempt.offer_id, hour, "requests"] += 1
    for row in Usage.objects.all():
        for unit in ("requests", "images", "tokens", "characters"):
            hours[row.provider_id, row.capability, row.offer_id, row.hour, unit] += getattr(row, unit)
    assert +counted == +hours


@pytest.mark.slow
def test_hours_are_sums_whatever_happens_to_the_calls(scene):
    provider = scene.vendor(
        "jobs", next=["lose_before_accept", "lose_after_accept", "429", "500_before", "400", "fail_job"]
    )
    scene.batch(*(f"topic {n}" for n in range(8)), provider=provider)
    scene.drive_until(lambda: not Step.objects.exclude(state__in=(State.DONE, State.ATTENTION)).exists(), within_s=30)
    assert Attempt.objects.filter(outcome="not_sent").exists()
    assert Attempt.objects.filter(http_status=429).exists()
    assert_hours_are_sums()
    scene.check()


@pytest.mark.slow
def test_four_processes_use_a_quota_without_one_refusal(scene, child_environment):
    """The vendor's window is ours; only that a request of this busy machine may arrive two seconds late is declared."""
    provider = scene.vendor("jobs", limits=[{"requests": 5, "per_s": 2.0}], latency_s=[0.05, 0.1])
    Quota.objects.create(provider=provider, amount=5, window_s=2.0)
    Lane.objects.update(jitter_s=2.0)
    scene.batch(*(f"topic {n}" for n in range(20)), provider=provider)
    sleep(2.0)  # what the test before sent counts no more
    variables = {**child_environment, URL_VARIABLE: scene.sim.url}
    children = [subprocess.Popen([sys.executable, "-m", "tests.jobs.engine.a_drive"], env=variables) for _ in range(4)]
    try:
        assert [child.wait(90) for child in children] == [0] * 4
    finally:
        for child in children:
            child.kill()
            child.wait()
    scene.drive_until(all_done, within_s=30)
    assert Counter(scene.verdicts()) == {"accepted": 20}
    left = sorted(Attempt.objects.values_list("on_wire_at", flat=True))
    assert (left[-1] - left[0]).total_seconds() < 20  # three windows and guards after the first, in a busy hour
    assert_hours_are_sums()
