"""The whole road as a user walks it: the real commands, the real clusters, a real browser."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import REPORT_BROKEN_POLICY, _listen
from tests.browser.film import until
from tests.supervisor.conftest import installation, prepared  # noqa: F401  (fixtures)
from tests.supervisor.installation import SLACK, Installation

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.ffmpeg]

PASSWORD = "only for this walk"
PREPARE = f"""
from django.contrib.auth.models import User
from jobs.models import Project
producer = User.objects.get(username="producer")
producer.set_password("{PASSWORD}")
producer.save()
Project.objects.filter(slug="sample").update(
    defaults={{"scenes": 1, "seconds": 5, "short_side": 240, "flaws": {{"1:image:1": "blank"}}}})
"""
WITHOUT_FLAWS = """
from jobs.models import Project
Project.objects.filter(slug="sample").update(defaults={"scenes": 1, "seconds": 5, "short_side": 240})
"""
WAIT_MS = 120_000 * SLACK


@pytest.fixture
def walker(browser: Browser, installation: Installation) -> Iterator[Page]:  # noqa: F811
    assert installation.manage("shell", "-v", "0", "-c", PREPARE).returncode == 0
    installation.start()
    problems: list[str] = []
    context = browser.new_context(base_url=f"http://127.0.0.1:{installation.port}", accept_downloads=True)
    context.add_init_script(REPORT_BROKEN_POLICY)
    page = context.new_page()
    page.set_default_timeout(30_000 * SLACK)
    _listen(page, problems)
    yield page
    context.close()
    assert not problems, "The browser complained:\n" + "\n".join(problems)


def test_topics_go_in_and_finished_videos_come_out(walker: Page):
    sign_in(walker)
    start_a_batch(walker, "Why bread rises\nHow tides work")
    batch = walker.url
    walker.get_by_text("1 file waits for a reviewer").first.wait_for(timeout=WAIT_MS)
    send_back_what_was_flagged(walker)
    walker.goto(batch)
    walker.get_by_role("link", name="Download 2 videos").wait_for(timeout=WAIT_MS)
    with walker.expect_download() as download:
        walker.get_by_role("link", name="Download 2 videos").click()
    assert_zip_is_whole(Path(download.value.path()))
    play_and_seek(walker)


def test_a_render_waits_for_a_go_and_begins_with_it(walker: Page, installation: Installation):  # noqa: F811
    assert installation.manage("shell", "-v", "0", "-c", WITHOUT_FLAWS).returncode == 0
    sign_in(walker)
    start_a_batch(walker, "Why bread rises\nHow tides work", options=["Let me release each video before its render"])
    batch = walker.url
    walker.get_by_text("All parts of 2 videos are made.").wait_for(timeout=WAIT_MS)
    assert not installation.one("select count(*) from jobs_step where stage = 'render'")
    walker.locator("a[href^='/videos/']").filter(has_text=re.compile("bread", re.I)).first.click()
    walker.get_by_role("button", name="Release the render").click()
    walker.get_by_text("The render begins.").wait_for()
    walker.goto(batch)
    walker.get_by_role("link", name="Download 1 video").wait_for(timeout=WAIT_MS)
    walker.get_by_text("All parts of 1 video are made.").wait_for()
    walker.get_by_role("button", name="Release 1 render").click()
    walker.get_by_role("link", name="Download 2 videos").wait_for(timeout=WAIT_MS)
    play_and_seek(walker)


def sign_in(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Username").fill("producer")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Overview").wait_for()


def start_a_batch(page: Page, topics: str, *, options: Sequence[str] = ()) -> None:
    page.goto("/projects/")
    page.get_by_role("link", name="Sample: bright ideas").first.click()
    page.get_by_role("link", name="New batch").first.click()
    page.get_by_label("Paste topics").fill(topics)
    page.get_by_role("button", name="Check the list").click()
    page.get_by_role("link", name=re.compile("Use 2 good rows")).click()
    for option in options:
        page.get_by_label(option).check()
    page.get_by_role("button", name="Start the batch").click()
    page.wait_for_url("**/batches/*/")


def send_back_what_was_flagged(page: Page) -> None:
    """By the keyboard: R, the first reason, Enter. A person's new try cures the planted flaw."""
    page.goto("/review/")
    page.locator("main a[href^='/review/']").filter(has=page.locator("img")).first.click()
    page.get_by_text("The picture is blank").first.wait_for()
    page.keyboard.press("r")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.get_by_text(re.compile("Sent back")).first.wait_for()


def assert_zip_is_whole(path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert sum(name.endswith(".mp4") for name in names) == 2
        assert sum(name.endswith(".srt") for name in names) == 2
        assert "manifest.csv" in {Path(name).name for name in names}


def play_and_seek(page: Page) -> None:
    """Seeking needs HTTP Range: without it currentTime stays where it was."""
    page.locator("a[href^='/videos/']").filter(has_text=re.compile("bread", re.I)).first.click()
    film = page.locator("video").first
    film.scroll_into_view_if_needed()
    film.evaluate("film => { film.muted = true; return film.play(); }")
    until(film, "film.currentTime > 0.3")
    film.evaluate("film => { film.currentTime = 3; }")
    until(film, "!film.seeking && film.currentTime >= 3")
    assert film.evaluate("film => film.duration") > 4
