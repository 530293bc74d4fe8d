from __future__ import annotations

import pytest

from jobs.models import Asset, Attempt, LedgerEntry, Step, Video
from jobs.settings_types import BatchSettings
from jobs.states import State
from tests.factories import a_batch, drive_until_idle

pytestmark = [pytest.mark.engine, pytest.mark.ffmpeg, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_a_topic_becomes_a_finished_video():
    batch = a_batch("Why bread rises", settings=BatchSettings(scenes=2, seconds=8, short_side=240))
    drive_until_idle(timeout_s=60)
    video = Video.objects.get()
    assert video.state == Video.State.DONE, (video.state_note, list(Step.objects.values("stage", "state", "message")))
    assert Asset.objects.filter(current=True, kind="render", verdict="passed").count() == 1
    assert not Step.objects.exclude(state=State.DONE).exists()
    assert Attempt.objects.filter(ended_at=None).count() == 0
    assert LedgerEntry.objects.filter(kind="reserve").count() == Attempt.objects.count()
    batch.refresh_from_db()
    assert batch.finished_at
