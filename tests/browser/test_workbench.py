from __future__ import annotations

import zipfile

import pytest
from playwright.sync_api import expect

from jobs.states import State
from tests.browser.film import until
from tests.factories import a_batch, a_project, a_user
from tests.made_videos import a_film, make

pytestmark = [
    pytest.mark.browser,
    pytest.mark.ffmpeg,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def project(transactional_db):
    return a_project()


@pytest.fixture
def producer(project):
    return a_user(project=project)


@pytest.fixture
def video(project):
    return make(a_batch("Why bread rises", project=project).videos.get(), film=a_film())


@pytest.fixture
def workbench(page, producer, video, sign_in):
    sign_in(page, producer)
    page.goto(f"/videos/{video.pk}/")
    return page


def ready(video):
    return [(step.stage, step.scene and step.scene.position) for step in video.steps.filter(state=State.READY)]


def test_the_video_plays_and_seeks_with_captions(workbench):
    film = workbench.locator("#video-render video")
    until(film, "film.readyState >= 1")
    assert film.evaluate("film => film.duration") == pytest.approx(4, abs=0.1)
    film.evaluate("film => { film.currentTime = 3; }")
    until(film, "!film.seeking && film.readyState >= 2")
    assert film.evaluate("film => film.currentTime") == pytest.approx(3, abs=0.01)
    film.evaluate("film => { film.muted = true; film.play(); }")
    until(film, "film.currentTime > 3.2")
    until(film, "film.textTracks[0].cues && film.textTracks[0].cues.length === 1")


def test_editing_a_narration_makes_one_new_voiceover_due_and_nothing_of_other_scenes(workbench, video):
    workbench.get_by_role("link", name="Scene 2").click()
    workbench.get_by_label("Narration").fill("Quite other words.")
    workbench.get_by_role("button", name="Save scene 2").click()
    expect(workbench.locator("#vb-toasts")).to_contain_text("Scene 2 is saved")
    assert ready(video) == [("voiceover", 2)]
    expect(workbench.locator("#slot-voiceover").locator("..")).to_contain_text("Waiting")


def test_an_image_is_made_again_and_the_old_one_is_put_back(workbench, video):
    slot = workbench.locator("section[aria-labelledby=slot-image]")
    slot.get_by_text("Make again").click()
    expect(slot).to_contain_text("then the scene's clip and the render")
    slot.get_by_role("button", name="Make the image again").click()
    expect(workbench.locator("#vb-toasts")).to_contain_text("Image of scene 1 is made again.")
    assert ready(video) == [("image", 1)]
    make(video, film=a_film())
    workbench.reload()
    slot.get_by_text("2 versions").click()
    slot.get_by_role("button", name="Use this version").click()
    expect(workbench.locator("#vb-toasts")).to_contain_text("Version 1 of the image is used now.")


def test_what_is_made_meanwhile_appears_and_what_is_typed_stays(page, producer, project, sign_in):
    video = make(a_batch("Tides", project=project).videos.get(), film=a_film())
    sign_in(page, producer)
    page.goto(f"/videos/{video.pk}/")
    slot = page.locator("section[aria-labelledby=slot-voiceover]")
    slot.get_by_text("Make again").click()
    slot.get_by_role("button", name="Make the voiceover again").click()
    expect(page.locator("#video-slots")).to_contain_text("Waiting")
    page.get_by_label("Narration").fill("Half a sent")
    make(video, film=a_film())
    with page.expect_response("**/live/**"):
        pass
    expect(slot).to_contain_text("Version 2")
    expect(page.locator("#video-state")).to_contain_text("Finished")
    expect(page.get_by_label("Narration")).to_have_value("Half a sent")


def test_the_mp4_and_the_zip_are_downloaded(workbench, video, tmp_path):
    with workbench.expect_download() as download:
        workbench.get_by_role("link", name="Download MP4").click()
    assert download.value.suggested_filename == "01-why-bread-rises.mp4"
    assert download.value.path().read_bytes() == a_film()
    with workbench.expect_download() as download:
        workbench.evaluate(f"location.href = '/batches/{video.batch_id}/videos.zip'")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert "01-why-bread-rises.mp4" in archive.namelist()


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 1440), ("light", 390), ("dark", 320)])
def test_video_pages_are_accessible(open_page, producer, project, video, sign_in, assert_accessible, theme, width):
    waiting = make(a_batch("Tides", project=project).videos.get(), flagged=[("image", 1)])
    page = open_page(theme=theme, width=width)
    sign_in(page, producer)
    for address in ("/videos/", "/videos/?q=nothing", f"/videos/{video.pk}/", f"/videos/{waiting.pk}/"):
        page.goto(address)
        for fold in page.locator("main details").all():
            fold.evaluate("fold => { fold.open = true; }")
        assert_accessible(page)
