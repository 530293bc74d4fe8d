from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import drive as drive_module
from jobs.engine.steady import Steady
from jobs.models import Attempt
from providers.models import Quota
from tests.factories import a_provider

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def quota(db):
    return Quota.objects.create(provider=a_provider("sim_instant"), amount=5, window_s=10)


@pytest.mark.parametrize("jump_s", [3600.0, -7200.0, 1.5])
def test_a_clock_that_jumps_makes_vendors_wait_for_a_window(quota, jump_s):
    steady = Steady()
    assert not steady.must_wait(NOW, 100.0)
    assert not steady.must_wait(at(1.2), 101.0)  # an everyday correction
    assert steady.must_wait(at(2.2 + jump_s), 102.0)
    assert steady.must_wait(at(12 + jump_s), 111.9)
    assert not steady.must_wait(at(12.3 + jump_s), 112.2)


def test_without_a_window_there_is_nothing_to_wait_for(db):
    steady = Steady()
    assert not steady.must_wait(NOW, 100.0)
    assert not steady.must_wait(at(9000), 101.0)


def test_nobody_waits_longer_than_a_minute(quota):
    Quota.objects.create(provider=quota.provider, amount=5, window_s=86_400)
    Quota.objects.filter(pk=quota.pk).update(window_s=600)
    steady = Steady()
    steady.must_wait(NOW, 100.0)
    assert steady.must_wait(at(9000), 101.0)
    assert not steady.must_wait(at(9060), 161.1)


def test_a_drive_sends_nothing_over_the_quota_when_the_clock_jumps(scene):
    provider = scene.vendor("instant", latency_s=[0.0, 0.01], limits=[{"requests": 2, "per_s": 2.0}])
    Quota.objects.create(provider=provider, amount=2, window_s=2.0)
    scene.batch(*(f"topic {n}" for n in range(4)), provider=provider)
    offset = [0.0]
    drive = drive_module.Drive("generation", slice_s=60, clock=lambda: datetime.now(UTC) + timedelta(seconds=offset[0]))
    scene.drives = [drive, drive_module.Drive("media", slice_s=60)]
    scene.drive_until(lambda: Attempt.objects.exclude(ended_at=None).count() == 2)
    offset[0] = 600.0
    scene.drive_until(lambda: Attempt.objects.exclude(ended_at=None).count() == 4)
    assert set(scene.verdicts()) == {"accepted"}
    offset[0] = 0.0
