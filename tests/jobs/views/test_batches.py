from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.launch import create_batch
from jobs.models import Asset, Attempt, Batch, LedgerEntry, Step, Video
from jobs.queries.progress import progress_of
from jobs.settings_types import BatchSettings, TopicRow
from jobs.states import Reason, State, Verdict
from providers.models import Lane, Price, Provider
from tests.factories import a_batch, a_project, a_user
from tests.jobs.views.asking import page
from tests.jobs.views.situations import (
    a_flagged_image,
    a_lost_answer,
    a_scene,
    a_stuck_step,
    an_asset,
    workers_are_seen,
)

pytestmark = pytest.mark.django_db


def bars(batch):
    return {bar.stage: bar for bar in progress_of([batch])[batch.pk].stages}


# -- who may see and do what -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["batch_detail", "batch_live", "batch_scripts"])
def test_a_stranger_finds_nothing(client, batch, name):
    client.force_login(a_user(project=a_project()))
    assert client.get(reverse(name, args=[batch.pk])).status_code == 404


def test_a_viewer_is_offered_no_buttons(client, batch, project):
    client.force_login(a_user(group="viewer", project=project))
    a_stuck_step(batch)
    text = page(client, batch).content.decode()
    assert "It broke." in text
    assert "Pause</button>" not in text
    assert "Try again" not in text


# -- what the page says ------------------------------------------------------------------------------------------------


def test_the_page_shows_every_topic_and_what_it_waits_for(producer, batch):
    workers_are_seen()
    text = page(producer, batch).content.decode()
    for topic in ("Bread", "Tides", "Locks"):
        assert topic in text
    assert text.count("Its script is next in line at Studio (offline).") == 3


def test_waiting_says_that_no_worker_is_running(producer, batch):
    text = page(producer, batch).content.decode()
    assert "No worker is running. Start one with make run." in text
    assert "Its script waits for a worker: none is running." in text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda: Provider.objects.filter(slug="studio").update(paused=True, pause_reason="Out of credit."),
         "Its script waits: Studio (offline) is paused: Out of credit."),
        (lambda: Lane.objects.filter(capability="script").update(paused=True), "scripts is paused."),
        (lambda: Price.objects.all().delete(), "Studio (offline) has no price for script, and without a price"),
        (lambda: Provider.objects.filter(slug="studio").update(enabled=False), "Studio (offline) is switched off."),
        (lambda: Lane.objects.filter(capability="script").update(max_in_flight=0), "set to 0 calls at once, which"),
        (lambda: Step.objects.update(not_before=timezone.now() + timedelta(hours=5)), "Its script is sent in 5 h"),
        (lambda: Batch.objects.update(paused_at=timezone.now()), "Waits for you to resume the batch."),
        (lambda: Batch.objects.update(width=1), "waits for its turn: one step at a time"),
        (lambda: Step.objects.all().delete(), "Waits to be planned by the engine."),
    ],
)  # fmt: skip
def test_every_waiting_says_for_what(producer, batch, change, sentence):
    workers_are_seen()
    change()
    assert sentence in page(producer, batch).content.decode()


def test_a_later_stage_waits_for_the_other_videos(producer, project):
    workers_are_seen()
    batch = a_batch("Bread", project=project, settings=BatchSettings(strategy="parallel"))
    Step.objects.update(gate=5, stage="image")
    Batch.objects.filter(pk=batch.pk).update(open_gate=2)
    assert "Its image waits for the scripts of the other videos." in page(producer, batch).content.decode()


def test_a_full_quota_says_when_there_is_room_again(producer, batch):
    workers_are_seen()
    studio = Provider.objects.get(slug="studio")
    studio.quota_set.create(capability="script", amount=1, window_s=60)
    attempt = a_lost_answer(batch)
    Attempt.objects.filter(pk=attempt.pk).update(
        sent_at=timezone.now() - timedelta(seconds=20), ended_at=timezone.now()
    )
    text = page(producer, batch).content.decode()
    assert "has used 1 requests a min, next in 4" in text
    assert "1 / 1 requests a min" in text
    assert "resets in 4" in text


# -- counting ----------------------------------------------------------------------------------------------------------


def test_waiting_is_planned_minus_existing(batch):
    """Three videos of two scenes: before any script is there, the settings say how many scenes will be."""
    assert {stage: (bar.done, bar.waiting, bar.total) for stage, bar in bars(batch).items()} == {
        "script": (0, 3, 3), "voiceover": (0, 6, 6), "image": (0, 6, 6), "clip": (0, 6, 6), "render": (0, 3, 3),
    }  # fmt: skip


def test_measured_scenes_replace_planned_ones(batch):
    video = batch.videos.first()
    Step.objects.filter(video=video).update(state=State.DONE)
    an_asset(video)
    for position in (1, 2, 3):
        a_scene(video, position)
    a_scene(video, 9).delete()
    assert bars(batch)["image"].total == 3 + 2 + 2
    assert bars(batch)["script"].done == 1


def test_each_state_has_its_segment(batch):
    first, second, third = batch.videos.all()
    Step.objects.filter(video=first).update(state=State.RUNNING)
    a_stuck_step(batch, position=2)
    a_stuck_step(batch, position=3, reason=Reason.DECISION)
    bar = bars(batch)["script"]
    assert (bar.done, bar.running, bar.failed, bar.needs, bar.waiting) == (0, 1, 1, 1, 0)
    flagged = a_flagged_image(batch)
    assert bars(batch)["image"].needs == 1
    Asset.objects.filter(pk=flagged.pk).update(current=False)
    assert bars(batch)["image"].needs == 0


def test_a_file_that_is_being_replaced_is_not_done(batch):
    video = batch.videos.first()
    an_asset(video)
    assert Step.objects.get(video=video).state == State.READY
    assert bars(batch)["script"].done == 0
    Step.objects.filter(video=video).update(state=State.DONE)
    assert bars(batch)["script"].done == 1


def test_retired_scenes_and_cancelled_videos_do_not_count(batch):
    first, second, _third = batch.videos.all()
    old = a_scene(first)
    an_asset(first, "image", scene=old)
    type(old).objects.filter(pk=old.pk).update(retired_at=timezone.now())
    Video.objects.filter(pk=second.pk).update(cancelled_at=timezone.now(), state=Video.State.CANCELLED)
    progress = progress_of([batch])[batch.pk]
    assert (progress.total, progress.cancelled, progress.ordered) == (2, 1, 3)
    assert bars(batch)["image"].done == 0
    assert bars(batch)["script"].total == 2


def test_rows_with_their_own_number_of_scenes_count_as_such(project):
    a_batch("x")
    rows = [TopicRow(topic="a", overrides={"scenes": 5}), TopicRow(topic="b")]
    batch = create_batch(project, name="B", topics=rows, settings=BatchSettings(scenes=2), by=None)
    assert bars(batch)["clip"].total == 7


def test_figures_show_finished_cost_reserved_and_cap(producer, project):
    batch = a_batch("Bread", "Tides", project=project, cap_micro=5_000_000)
    batch.videos.filter(position=1).update(state=Video.State.DONE)
    LedgerEntry.objects.create(
        kind="adjust", project=project, batch=batch, provider=Provider.objects.first(),
        spent_micro=310_000, reserved_micro=40_000,
    )  # fmt: skip
    context = page(producer, batch).context
    assert context["progress"].finished == 1
    text = page(producer, batch).content.decode()
    assert "$0.31" in text
    assert "$0.04 reserved · cap $5.00" in text


# -- rows --------------------------------------------------------------------------------------------------------------


def test_topics_are_found_and_filtered_and_nothing_found_says_so(producer, batch):
    batch.videos.filter(position=2).update(state=Video.State.DONE)
    assert [item.title for item in page(producer, batch, q="tid").context["items"]] == ["Tides"]
    assert [item.title for item in page(producer, batch, state="done").context["items"]] == ["Tides"]
    assert "No video of this batch fits." in page(producer, batch, q="zebra").content.decode()


def test_fifty_topics_on_a_page(producer, project):
    batch = a_batch(*(f"Topic {n}" for n in range(51)), project=project)
    assert len(page(producer, batch).context["items"]) == 50
    assert len(page(producer, batch, page=2).context["items"]) == 1


@pytest.mark.slow
def test_the_number_of_queries_does_not_grow_with_the_rows(producer, project, django_assert_max_num_queries):
    def a_busy_batch(size):
        batch = a_batch(*(f"Topic {n}" for n in range(size)), project=project)
        for video in batch.videos.all():
            an_asset(video)
            for position in range(1, 4):
                an_asset(video, "image", scene=a_scene(video, position), verdict=Verdict.FLAGGED)
        a_stuck_step(batch)
        return batch

    counts = []
    for size in (2, 40):
        batch = a_busy_batch(size)
        page(producer, batch)
        with CaptureQueriesContext(connection) as queries:
            page(producer, batch)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    with django_assert_max_num_queries(32):
        page(producer, batch)


@pytest.mark.parametrize("name", ["batch_detail", "batch_live"])
def test_nothing_is_asked_twice(producer, project, name):
    batch = a_batch("Bread", "Tides", "Locks", project=project, cap_micro=5_000_000)
    a_lost_answer(batch)
    a_stuck_step(batch, position=2)
    page(producer, batch)  # what was foreseen is kept
    with CaptureQueriesContext(connection) as queries:
        producer.get(reverse(name, args=[batch.pk]))
    asked = [query["sql"] for query in queries]
    assert sorted(set(asked)) == sorted(asked)


def test_the_list_shows_filters_and_does_not_ask_for_each_batch(producer, project):
    counts = []
    for _ in range(2):
        for name in ("Bread", "Tides"):
            a_batch(name, project=project)
        with CaptureQueriesContext(connection) as queries:
            assert len(producer.get(reverse("batch_list")).context["rows"]) == Batch.objects.count()
        counts.append(len(queries))
    assert counts[0] == counts[1]
    Batch.objects.filter(pk=Batch.objects.first().pk).update(cancelled_at=timezone.now())
    assert len(producer.get(reverse("batch_list"), {"show": "cancelled"}).context["rows"]) == 1
    assert "No batch fits." in producer.get(reverse("batch_list"), {"q": "zebra"}).content.decode()
    a_batch("Cats", project=a_project())
    assert len(producer.get(reverse("batch_list")).context["rows"]) == 4


def test_an_empty_list_says_what_to_do(producer, project):
    assert reverse("batch_new", args=[project.pk]) in producer.get(reverse("batch_list")).content.decode()


# -- live --------------------------------------------------------------------------------------------------------------


def test_live_brings_the_parts_that_changed_and_nothing_when_none_did(producer, batch):
    version = page(producer, batch).context["live_version"]
    address = reverse("batch_live", args=[batch.pk])
    assert producer.get(address, {"v": version}).status_code == 204
    batch.videos.filter(position=1).update(state=Video.State.DONE)
    answer = producer.get(address, {"v": version})
    assert answer.status_code == 200
    text = answer.content.decode()
    for part in ("state", "actions", "alerts", "figures", "needs", "pipeline", "items", "gauges"):
        assert f'id="vb-batch-{part}"' in text
    assert text.count("hx-swap-oob") == 10
    assert "csrfmiddlewaretoken" not in text, "a token is new every time: the parts hold no form"


def test_live_ends_with_the_batch_once_nothing_of_it_is_out(producer, batch):
    Step.objects.filter(video__position=1).update(state=State.RUNNING)
    now = timezone.now()
    batch.videos.update(cancelled_at=now, state=Video.State.CANCELLED)
    Batch.objects.filter(pk=batch.pk).update(cancelled_at=now)
    address = reverse("batch_live", args=[batch.pk])
    assert producer.get(address).status_code == 200
    assert "data-vb-live" in page(producer, batch).content.decode()
    Step.objects.update(state=State.CANCELLED)
    assert producer.get(address).status_code == 286
    assert "data-vb-live" not in page(producer, batch).content.decode()


def test_live_keeps_the_filter_of_the_page(producer, batch):
    text = page(producer, batch, q="tid").content.decode()
    assert f'hx-get="{reverse("batch_live", args=[batch.pk])}?q=tid"' in text
    live = producer.get(reverse("batch_live", args=[batch.pk]), {"q": "tid"}).content.decode()
    assert "Tides" in live
    assert "Bread" not in live


def test_a_batch_of_which_all_is_cancelled_says_so(producer, batch):
    producer.post(reverse("batch_cancel", args=[batch.pk]), {"how": "everything"})
    shown = page(producer, batch).content.decode()
    assert "Every video was cancelled: nothing is left to make." in shown
    assert '<div class="vb-figure-note">3 cancelled</div>' in shown


def test_the_count_in_the_side_bar_follows_what_is_flagged_while_the_page_is_open(producer, project):
    batch = a_batch(project=project)
    board = page(producer, batch)
    assert 'id="vb-review-count" hidden>' in board.content.decode(), "what the live answer puts its count into"
    opened = board.context["live_version"]
    a_flagged_image(batch)
    answer = producer.get(reverse("batch_live", args=[batch.pk]), {"v": opened}).content.decode()
    assert 'id="vb-review-count" hx-swap-oob="true">1<' in answer
