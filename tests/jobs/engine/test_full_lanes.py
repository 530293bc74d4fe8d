from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import drive as drive_module
from jobs.engine import waits
from jobs.models import Attempt, Step
from jobs.states import State
from providers.models import Lane

pytestmark = [pytest.mark.engine]


def test_a_lane_at_its_cap_is_not_asked_for_a_place_again_and_again(scene, monkeypatch):
    claims = []
    claim = drive_module.claim

    def counted(*args, **kwargs):
        claims.append(claim(*args, **kwargs))
        return claims[-1]

    monkeypatch.setattr(drive_module, "claim", counted)
    provider = scene.vendor("jobs", latency_s=[30, 30])
    Lane.objects.update(max_in_flight=2)
    scene.batch(*"abcdef", provider=provider)
    scene.drive_until(lambda: Step.objects.filter(state=State.RUNNING).count() == 2)
    monkeypatch.setattr(waits, "TRY_AGAIN", timedelta(seconds=30))
    drive = drive_module.Drive("generation", slice_s=60)
    scene.drives.append(drive)
    drive._begin()
    before = len(claims)
    assert claims[-1].full_lanes == {Lane.objects.get().pk}
    for _ in range(5):
        drive._begin()
    assert len(claims) == before
    assert Attempt.objects.count() == 2


def test_the_lane_that_is_full_keeps_no_other_of_its_provider_waiting(scene):
    provider = scene.vendor("jobs", latency_s=[30, 30])
    scene.batch(*"ab", provider=provider)
    full = Lane.objects.get()
    Lane.objects.update(max_in_flight=0)
    other = Lane.objects.create(provider=provider, capability="image")
    Step.objects.filter(pk=Step.objects.first().pk).update(lane=other)
    drive = drive_module.Drive("generation", slice_s=60)
    scene.drives.append(drive)
    drive._begin()
    assert full.pk in drive.waits.full_lanes()
    assert other.pk not in drive.waits.full_lanes()
    assert Attempt.objects.get().lane_id == other.pk
    now = datetime.now(UTC)
    assert Step.objects.filter(state=State.READY, not_before__lte=now).get().lane_id == full.pk
