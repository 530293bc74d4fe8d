from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobs.advance import clear_marks
from jobs.control import release_scripts
from jobs.launch import create_batch
from jobs.models import Batch, Budget, Step, Video
from jobs.settings_types import BatchSettings, TopicRow
from tests.factories import a_project, a_user, local_providers

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def launch(project, count=2, *, settings=None, **values):
    topics = [TopicRow(topic=f"topic {n}", overrides={"scenes": 3} if n == 1 else {}) for n in range(count)]
    return create_batch(
        project, name="A", topics=topics, settings=settings or BatchSettings(), by=None, now=NOW, **values
    )


@pytest.fixture
def project(db):
    local_providers()
    return a_project()


def test_every_topic_is_a_video_with_its_first_step(project):
    batch = launch(project)
    assert list(batch.videos.values_list("position", "topic")) == [(1, "topic 0"), (2, "topic 1")]
    assert set(Step.objects.values_list("stage", "state")) == {("script", "ready")}
    assert batch.videos.get(position=2).effective_settings().scenes == 3


def test_the_same_token_gives_the_same_batch_and_nothing_new(project):
    first, again = launch(project, token="t"), launch(project, 5, token="t")
    assert first == again
    assert (Batch.objects.count(), Video.objects.count(), Step.objects.count()) == (1, 2, 2)


def test_a_cap_becomes_a_budget_of_the_batch(project):
    batch = launch(project, cap_micro=5)
    assert Budget.objects.get(batch=batch).cap_micro == 5
    launch(project)
    assert Budget.objects.count() == 1


def test_sequential_is_one_wide(project):
    assert launch(project, settings=BatchSettings(strategy="sequential")).width == 1
    assert launch(project).width is None


def test_what_is_too_much_for_one_go_is_left_to_the_drive_and_nothing_is_forgotten(project):
    launch(project, 450)
    assert Step.objects.count() == 200
    assert Video.objects.filter(needs_advance=True).count() == 250
    while clear_marks(NOW):
        pass
    assert Step.objects.count() == 450


def test_a_parallel_batch_opens_no_gate_before_every_video_was_planned(project):
    batch = launch(project, 205, settings=BatchSettings(strategy="parallel"))
    batch.refresh_from_db()
    assert batch.open_gate < Step.objects.first().gate
    while clear_marks(NOW):
        pass
    batch.refresh_from_db()
    assert batch.open_gate == Step.objects.first().gate


def test_when_all_waits_for_people_the_gate_stays_and_the_order_goes_on_afterwards(project, made):
    world = made(settings=BatchSettings(scenes=2, seconds=8, strategy="parallel", script_gate=True))
    world.step()
    world.batch.refresh_from_db()
    assert world.batch.open_gate == 2
    release_scripts([world.video], a_user(), NOW)
    world.batch.refresh_from_db()
    assert world.batch.open_gate == 4
