from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings

from jobs.engine import housekeeping, worker
from jobs.engine.housekeeping import Housekeeping
from jobs.metrics.filters import day_of
from jobs.models import Batch, IntakeDraft, Notice, TalliedDay, Video, Worker
from providers.downloads import TEMP_FOLDER
from tests.factories import a_batch, a_user

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOW = datetime.now(UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _one_connection(monkeypatch):
    """A test's transaction is its connection's."""
    monkeypatch.setattr(housekeeping, "close_old_connections", lambda: None)


def keep(role, *, now=NOW):
    """All chores as a drive finds them that begins now."""
    house = Housekeeping(worker.enlist(role, now), lambda: now)
    house.keep()
    return house


def a_draft(batch):
    return IntakeDraft.objects.create(project=batch.project, created_by=a_user(), expires_at=NOW + DAY)


def an_old_part():
    path = Path(settings.MEDIA_ROOT) / TEMP_FOLDER / "interrupted.part"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"half a file")
    os.utime(path, (0, 0))
    return path


def test_what_is_left_over_is_cleared_up_once_an_hour_by_one_drive():
    batch, part = a_batch(), an_old_part()
    a_draft(batch)
    keep("generation", now=NOW + 2 * DAY)
    assert (IntakeDraft.objects.count(), part.exists()) == (1, True)
    keep("media", now=NOW)
    assert (IntakeDraft.objects.count(), part.exists()) == (1, False)
    part = an_old_part()
    keep("media", now=NOW + HOUR / 2)
    assert part.exists()
    keep("media", now=NOW + DAY + HOUR)
    assert (IntakeDraft.objects.count(), part.exists()) == (0, False)


def test_days_that_are_over_are_counted_a_handful_at_a_time(monkeypatch):
    monkeypatch.setattr(housekeeping, "DAYS_AT_ONCE", 3)
    batch = a_batch()
    Batch.objects.filter(pk=batch.pk).update(created_at=NOW - 5 * DAY)
    over = (day_of(NOW - HOUR) - 1) - day_of(NOW - 5 * DAY) + 1
    keep("media")
    assert TalliedDay.objects.count() == 3
    keep("media", now=NOW + HOUR)
    assert TalliedDay.objects.count() >= over


def test_a_full_disk_is_said_once_and_not_by_every_role_and_every_slice(monkeypatch):
    monkeypatch.setattr(housekeeping.downloads, "free_bytes", lambda path: 5)
    for role in ("generation", "media", "generation"):
        assert keep(role).disk_is_full()
    assert Notice.objects.count() == 1
    assert keep("media", now=NOW + HOUR).disk_is_full()
    assert Notice.objects.count() == 2


@pytest.mark.slow
def test_videos_without_a_provider_are_asked_again_in_every_batch_however_many_newer_ones_wait(monkeypatch):
    monkeypatch.setattr(housekeeping, "AT_ONCE", 2)
    monkeypatch.setattr(housekeeping, "clear_marks", lambda now: 0)
    batches = [a_batch("one"), a_batch(*"abcd")]
    without = {"state": Video.State.ATTENTION, "state_note": f"{housekeeping.NO_PROVIDER} makes this stage: clip."}
    Video.objects.update(**without)
    asked = set()
    for _ in range(40):  # in vain each time, and by drives that know nothing of each other
        keep("generation")
        marked = Video.objects.filter(needs_advance=True)
        assert marked.count() == 2
        asked |= set(marked.values_list("batch", flat=True))
        marked.update(needs_advance=False)
    assert asked == {batch.pk for batch in batches}


def test_a_drive_says_that_it_lives():
    me = keep("generation", now=NOW + DAY).worker
    assert Worker.objects.get(pk=me.pk).seen_at == NOW + DAY
