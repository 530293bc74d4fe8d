from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from jobs.engine.books import valid_prices
from jobs.models import Asset, Attempt, Decision, Scene, Step, Video
from jobs.settings_types import BatchSettings
from jobs.states import Reason, State
from tests.factories import a_batch, a_project, a_user
from tests.made_videos import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return a_project(name="Bakery")


@pytest.fixture
def producer(client, project):
    client.force_login(a_user(project=project))
    return client


@pytest.fixture
def video(project):
    return make(a_batch("Why bread rises", project=project).videos.get())


def text(response):
    return re.sub(r"\s+", " ", response.content.decode()).replace("&#x27;", "'")


def url(name, thing):
    return reverse(name, args=[thing.pk])


def ready(video):
    return sorted((step.stage, step.scene and step.scene.position) for step in video.steps.filter(state=State.READY))


# -- the list


def test_the_list_shows_videos_with_state_and_picture(producer, video):
    page = text(producer.get(reverse("video_list")))
    assert "Why bread rises" in page
    assert "Finished" in page
    assert url("media_thumbnail", video.assets.get(kind="poster")) in page


def test_the_list_is_filtered_by_state_project_and_words(producer, video):
    for query, found in (("state=done", 1), ("state=gate", 0), ("q=bread", 1), ("q=tides", 0), ("project=x", 1)):
        assert producer.get(f"{reverse('video_list')}?{query}").context["page"].paginator.count == found, query


@pytest.mark.slow
def test_the_list_takes_the_same_queries_for_many_videos(producer, project, video, django_assert_max_num_queries):
    with django_assert_max_num_queries(12) as few:
        producer.get(reverse("video_list"))
    most = len(few)
    for one in a_batch(*"abcde", project=project).videos.all():
        make(one)
    with django_assert_max_num_queries(most):
        producer.get(reverse("video_list"))


def test_a_stranger_sees_no_video_of_others(client, video):
    client.force_login(a_user(project=a_project()))
    assert "Why bread rises" not in text(client.get(reverse("video_list")))
    assert client.get(url("video_detail", video)).status_code == 404
    assert client.get(url("video_live", video)).status_code == 404
    assert client.post(url("scene_edit", video.scenes.first())).status_code == 404
    assert client.post(url("asset_choose", video.assets.first())).status_code == 404


# -- the workbench


def test_the_workbench_shows_player_captions_scenes_and_checks(producer, video):
    page = text(producer.get(url("video_detail", video)))
    render, captions = video.assets.get(kind="render"), video.assets.get(kind="vtt")
    for part in (f"/media/{render.pk}/", f"/media/{captions.pk}/", "Words 1.", "View 1", "Download MP4"):
        assert part in page, part
    assert "not run: there are no references" in page, "a check that could not run is seen"
    assert "Measured contrast 0.4; limit: at least 2.5" in page


@pytest.mark.slow
def test_the_workbench_takes_the_same_queries_for_many_scenes_and_versions(
    producer, project, video, django_assert_max_num_queries
):
    for step in Step.objects.filter(video=video)[:2]:
        an_attempt(step, offer=step.offer)
    with django_assert_max_num_queries(15) as few:
        producer.get(url("video_detail", video))
    most = len(few)
    long = make(a_batch("Tides", project=project).videos.get(), scenes=9)
    scene = long.scenes.first()
    producer.post(url("video_regenerate", long), {"stage": "image", "scene": scene.pk})
    make(long)
    for step in Step.objects.filter(video=long):
        an_attempt(step, offer=step.offer)
    with django_assert_max_num_queries(most):
        producer.get(url("video_detail", long))


def test_editing_a_narration_makes_this_scenes_voice_due_and_nothing_else(producer, video):
    scene = video.scenes.get(position=2)
    answer = producer.post(url("scene_edit", scene), {"narration": "Other words.", "visual_prompt": "View 2"})
    assert answer["Location"].startswith(url("video_detail", video))
    assert ready(video) == [("voiceover", 2)]


def test_saving_an_unchanged_text_of_several_lines_changes_nothing(producer, video):
    scene = video.scenes.get(position=1)
    Scene.objects.filter(pk=scene.pk).update(narration="One\ntwo")
    page = producer.post(url("scene_edit", scene), {"narration": "One\r\ntwo", "visual_prompt": "View 1"}, follow=True)
    assert "Nothing was changed" in text(page)


def test_an_empty_narration_is_refused_with_a_sentence(producer, video):
    answer = producer.post(
        url("scene_edit", video.scenes.first()), {"narration": " ", "visual_prompt": "x"}, follow=True
    )
    assert "Scene 1 needs a narration: it was left empty." in text(answer)


def test_an_image_is_made_again_by_itself_and_its_version_can_be_put_back(producer, video):
    scene = video.scenes.get(position=1)
    old = video.assets.get(kind="image", scene=scene)
    producer.post(url("video_regenerate", video), {"stage": "image", "scene": scene.pk})
    assert ready(video) == [("image", 1)]
    make(video)
    new = video.assets.get(kind="image", scene=scene, current=True)
    assert new.pk != old.pk
    page = text(producer.get(url("video_detail", video) + f"?scene={scene.pk}"))
    assert "2 versions" in page
    producer.post(url("asset_choose", old))
    old.refresh_from_db()
    assert old.current


def test_making_again_what_is_not_there_is_refused_with_a_sentence(producer, project):
    fresh = a_batch("New", project=project).videos.get()
    answer = producer.post(url("video_regenerate", fresh), {"stage": "render"}, follow=True)
    assert "There is nothing to make again here" in text(answer)


def test_a_new_try_says_what_follows_and_what_that_cost_the_last_time(producer, video):
    step = Step.objects.get(video=video, stage="image", scene__position=1)
    an_attempt(step, cost_micro=60_000)
    page = text(producer.get(url("video_detail", video)))
    assert "The image is made again, then the scene's clip and the render. Nothing else changes." in page
    assert "Make the image again · about $0.06" in page


def test_the_words_around_the_video_are_saved(producer, video):
    sent = {"title": "Bread", "hook": "Look!", "description": "How", "hashtags": "bread, #yeast bread"}
    producer.post(url("video_edit", video), sent)
    video.refresh_from_db()
    assert (video.title, video.hook, video.hashtags) == ("Bread", "Look!", ["#bread", "#yeast"])
    assert video.state == Video.State.DONE
    answer = producer.post(url("video_edit", video), {**sent, "title": "x" * 301}, follow=True)
    assert "The title has 301 characters; 300 is the most." in text(answer)


def test_a_script_that_waits_to_be_read_is_shown_and_released(producer, project):
    settings = BatchSettings(scenes=2, seconds=8, script_gate=True)
    video = make(a_batch("Locks", project=project, settings=settings).videos.get())
    page = text(producer.get(url("video_detail", video)))
    assert "Read the script" in page
    assert "Words 2." in page
    producer.post(url("video_release_script", video))
    assert ready(video) == [("image", 1), ("image", 2), ("voiceover", 1), ("voiceover", 2)]


def test_a_render_that_waits_is_released(producer, project):
    settings = BatchSettings(scenes=2, seconds=8, render_gate=True)
    video = make(a_batch("Locks", project=project, settings=settings).videos.get())
    assert "Release the render" in text(producer.get(url("video_detail", video)))
    producer.post(url("video_release_render", video))
    assert ready(video) == [("render", None)]


@pytest.mark.parametrize("gates", [{}, {"script_gate": True}, {"render_gate": True}])
@pytest.mark.parametrize("gate", ["script", "render"])
def test_a_go_that_nothing_waits_for_releases_nothing_and_says_so(producer, project, gates, gate):
    settings = BatchSettings(scenes=2, seconds=8, **gates)
    video = make(a_batch("Locks", project=project, settings=settings).videos.get())
    waits = bool(gates.get(f"{gate}_gate"))
    for is_waiting in (waits, False):  # the second time somebody was first
        answer = producer.post(url(f"video_release_{gate}", video), follow=True)
        assert ("waits for that go" in text(answer)) is not is_waiting
    assert Decision.objects.count() == waits


def an_attempt(step, **values):
    now = timezone.now()
    return Attempt.objects.create(
        **{
            "step": step,
            "no": 1,
            "provider": step.provider,
            "lane": step.lane,
            "capability": "image",
            "tag": f"tag-{step.pk}",
            "request_hash": "0",
            "request": {"prompt": "<b>View</b>"},
            "price": valid_prices(step.provider_id, now)[0],
            "sent_at": now,
            "send_deadline": now,
            "outcome": Attempt.Outcome.ACCEPTED,
            **values,
        }
    )


def a_step_in_attention(video, reason):
    step = Step.objects.filter(video=video, state=State.READY).first()
    Step.objects.filter(pk=step.pk).update(state=State.ATTENTION, reason=reason, message="The answer was lost.")
    return step


def test_a_refused_step_is_said_and_tried_again(producer, project):
    video = a_batch("Locks", project=project).videos.get()
    step = a_step_in_attention(video, Reason.REJECTED)
    assert "The answer was lost." in text(producer.get(url("video_detail", video)))
    producer.post(url("step_try_again", step))
    step.refresh_from_db()
    assert step.state == State.READY
    answer = producer.post(url("step_try_again", step), follow=True)
    assert "Somebody has already moved this step on." in text(answer)


def test_a_lost_answer_leads_to_the_page_where_it_is_decided(producer, project):
    video = a_batch("Locks", project=project).videos.get()
    step = a_step_in_attention(video, Reason.DECISION)
    an_attempt(step, outcome=Attempt.Outcome.UNKNOWN, reserved_micro=40_000)
    page = text(producer.get(url("video_detail", video)))
    assert f"{reverse('decision_list')}?batch={video.batch_id}#step-{step.pk}" in page
    assert "&lt;b&gt;View&lt;/b&gt;" in page, "the request as sent, harmless"
    assert producer.post(url("step_try_again", step)).status_code == 404, "it is about money"


def test_what_was_declined_is_edited_and_not_tried_again(producer, video):
    scene = video.scenes.get(position=1)
    step = Step.objects.filter(video=video, scene=scene).first()
    Step.objects.filter(pk=step.pk).update(
        state=State.ATTENTION, reason=Reason.CONTENT, message="Declined by policy.", finished_at=None
    )
    page = text(producer.get(url("video_detail", video)))
    assert "Edit the prompt" in page
    assert url("step_try_again", step) not in page
    answer = producer.post(url("step_try_again", step), follow=True)
    assert "The same words would be declined again." in text(answer)
    step.refresh_from_db()
    assert step.state == State.ATTENTION


def test_a_video_is_cancelled_and_only_once(producer, project):
    video = a_batch("Locks", project=project).videos.get()
    producer.post(url("video_cancel", video))
    video.refresh_from_db()
    assert video.state == Video.State.CANCELLED
    assert "already over" in text(producer.post(url("video_cancel", video), follow=True))


def test_a_viewer_may_look_and_change_nothing(client, project, video):
    client.force_login(a_user(group="viewer", project=project))
    page = text(client.get(url("video_detail", video)))
    for word in ("Save scene", "Save words", "Make again", "Cancel video"):
        assert word not in page
    for name in ("video_edit", "video_cancel", "video_regenerate", "video_release_script"):
        assert client.post(url(name, video)).status_code == 403, name
    assert client.post(url("scene_edit", video.scenes.first())).status_code == 403
    assert client.post(url("asset_choose", Asset.objects.first())).status_code == 403
    assert client.post(url("step_try_again", Step.objects.first())).status_code == 403


# -- live


def test_live_parts_come_when_something_changed_and_stop_at_the_end(producer, project, video):
    live, token = url("video_live", video), producer.get(url("video_detail", video)).context["live_version"]
    assert producer.get(live, {"v": token}).status_code == 286
    producer.post(url("video_regenerate", video), {"stage": "render"})
    answer = producer.get(live, {"v": token})
    assert answer.status_code == 200
    assert 'id="video-render" aria-label="The video" hx-swap-oob="true"' in text(answer)
    assert producer.get(live, {"v": answer.context["live_version"]}).status_code == 204
