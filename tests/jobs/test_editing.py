from __future__ import annotations

import pytest

from jobs import editing
from jobs.control import Refused
from jobs.models import Asset, Scene, Step, Video
from jobs.states import State

from .conftest import NOW, SCRIPT

pytestmark = [pytest.mark.engine, pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def done(made):
    return made().all()


def scene(world, position):
    return world.video.scenes.get(position=position, retired_at=None)


def test_a_new_narration_makes_its_voice_and_the_render(done):
    it = scene(done, 2)
    assert editing.edit_scene(it, NOW, narration="Something else is said.", visual_prompt=it.visual_prompt)
    assert done.due() == [("voiceover", 2)]
    done.step()
    assert done.due() == [("render", None)]
    done.video.refresh_from_db()
    assert done.video.finished_at is None


def test_a_new_prompt_makes_image_clip_and_render(done):
    it = scene(done, 1)
    editing.edit_scene(it, NOW, narration=it.narration, visual_prompt="Another view")
    seen = []
    while due := done.due():
        seen += due
        done.step()
    assert seen == [("image", 1), ("clip", 1), ("render", None)]


def test_repeat_at_a_prompt_adds_images_to_choose_from_and_makes_nothing_anew(done):
    it, image, clip = scene(done, 1), done.current("image", 1), done.current("clip", 1)
    editing.edit_scene(it, NOW, narration=it.narration, visual_prompt=f"{it.visual_prompt} --repeat 3")
    seen = []
    while due := done.due():
        seen += due
        done.step()
    assert seen == [("image", 1), ("image", 1)]
    assert (done.current("image", 1), done.current("clip", 1)) == (image, clip)
    assert Asset.objects.filter(kind="image", scene=it, stands_for=image.stands_for).count() == 3
    done.video.refresh_from_db()
    assert done.video.state == Video.State.DONE


def test_an_edit_that_changes_nothing_makes_nothing(done):
    it = scene(done, 1)
    assert not editing.edit_scene(it, NOW, narration=f" {it.narration} ", visual_prompt=it.visual_prompt)
    assert done.due() == []


def test_an_edit_taken_back_finds_the_old_file(done):
    it, old = scene(done, 1), done.current("image", 1)
    words = it.visual_prompt
    editing.edit_scene(it, NOW, narration=it.narration, visual_prompt="Another view")
    done.step()
    editing.edit_scene(it, NOW, narration=it.narration, visual_prompt=words)
    assert done.current("image", 1) == old
    assert done.due() == []
    done.video.refresh_from_db()
    assert done.video.state == Video.State.DONE


@pytest.mark.parametrize(
    ("narration", "prompt", "says"), [(" ", "x", "narration"), ("x", "", "visual prompt"), ("x" * 2001, "x", "2001")]
)
def test_an_edit_that_cannot_be_is_refused_with_the_scene_named(done, narration, prompt, says):
    with pytest.raises(Refused, match=says):
        editing.edit_scene(scene(done, 2), NOW, narration=narration, visual_prompt=prompt)


@pytest.mark.parametrize("stage", ["image", "voiceover", "clip"])
def test_regenerating_makes_that_one_thing_again(done, stage):
    editing.regenerate(done.video, NOW, stage=stage, scene=scene(done, 2))
    assert done.due() == [(stage, 2)]
    assert Step.objects.get(state=State.READY).round == 2


def test_a_new_script_has_new_scenes_and_all_is_made_again(done):
    editing.regenerate(done.video, NOW, stage="script")
    assert done.due() == [("script", None)]
    done.step()
    assert len(done.due()) == 4
    assert done.video.scenes.filter(retired_at=None).count() == 2


@pytest.mark.parametrize(("stage", "says"), [("nonsense", "no stage"), ("topic_moderation", "nothing to make again")])
def test_what_cannot_be_made_again_is_refused(done, stage, says):
    with pytest.raises(Refused, match=says):
        editing.regenerate(done.video, NOW, stage=stage)


def test_an_older_version_can_be_chosen_and_the_newer_one_again(done):
    old = done.current("image", 1)
    editing.regenerate(done.video, NOW, stage="image", scene=scene(done, 1))
    while done.due():
        done.step()
    new = done.current("image", 1)
    bought = Step.objects.count()
    editing.choose_version(old, NOW)
    assert done.current("image", 1) == old
    while done.due():
        done.step()
    editing.choose_version(new, NOW)
    assert done.current("image", 1) == new
    while done.due():
        done.step()
    assert Asset.objects.filter(kind="image", current=True).count() == 2
    assert Step.objects.filter(stage="image").count() == 3
    assert Step.objects.count() <= bought + 4


def test_what_a_model_writes_orders_no_more_pictures(made, monkeypatch):
    prompts = [{**scene, "visual_prompt": f"{scene['visual_prompt']} --repeat 40"} for scene in SCRIPT["scenes"]]
    monkeypatch.setitem(SCRIPT, "scenes", prompts)
    made().step()
    assert set(Scene.objects.values_list("visual_prompt", flat=True)) == {"A view 1", "A view 2"}


def test_an_older_script_is_not_put_back(done):
    with pytest.raises(Refused, match="older script"):
        editing.choose_version(done.current("script"), NOW)


def test_nothing_is_made_for_a_cancelled_video(done):
    Video.objects.update(cancelled_at=NOW)
    with pytest.raises(Refused, match="cancelled"):
        editing.regenerate(done.video, NOW, stage="script")
