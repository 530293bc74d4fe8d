from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from jobs.models import Asset, Review, StyleReference
from jobs.states import State
from tests.browser.film import until
from tests.factories import a_batch, a_project, a_user
from tests.made_videos import a_film, a_picture, make, stored

pytestmark = [
    pytest.mark.browser,
    pytest.mark.ffmpeg,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def project(transactional_db):
    project = a_project()
    name, sha256 = stored(a_picture(), "jpg")
    StyleReference.objects.create(project=project, name=name, sha256=sha256, width=64, height=36)
    return project


@pytest.fixture
def ana(project):
    return a_user(group="reviewer", project=project)


@pytest.fixture
def waiting(project):
    topics = ("Bread", "Tides", "Locks", "Bees")
    flaws = ("image", "clip", "image", "voiceover")
    for video, flaw in zip(a_batch(*topics, project=project).videos.all(), flaws, strict=True):
        make(video, flagged=[(flaw, 1)], film=a_film())
    return list(Asset.objects.filter(verdict="flagged").order_by("pk"))


@pytest.fixture
def review(page, ana, waiting, sign_in):
    sign_in(page, ana)
    page.goto("/review/")
    return page


def verdicts(waiting):
    return list(Asset.objects.filter(pk__in=[asset.pk for asset in waiting]).order_by("pk").values_list("verdict"))


def heading(page):
    return page.get_by_role("heading", level=1)


def test_review_by_keyboard_alone(review, waiting):
    review.keyboard.press("j")
    expect(heading(review)).to_contain_text("Bread")
    expect(review.locator("h1 [data-vb-focus]")).to_be_focused()
    review.keyboard.press("j")
    expect(heading(review)).to_contain_text("Tides")
    review.keyboard.press("k")
    expect(heading(review)).to_contain_text("Bread")

    review.keyboard.press("a")
    expect(heading(review)).to_contain_text("Tides")
    expect(review.locator("h1 [data-vb-focus]")).to_be_focused()
    toast = review.locator("#vb-toasts [data-vb-decided]")
    expect(toast).to_contain_text("Approved: image of scene 1.")
    assert Asset.objects.get(pk=waiting[0].pk).verdict == "approved"

    review.keyboard.press("z")
    expect(heading(review)).to_contain_text("Bread")
    assert Asset.objects.get(pk=waiting[0].pk).verdict == "flagged"

    review.keyboard.press("1")
    expect(review.get_by_label("Off style")).not_to_be_checked()
    review.keyboard.press("r")
    review.keyboard.press("1")
    expect(review.get_by_label("Off style")).to_be_checked()
    expect(review.get_by_role("button", name="Regenerate image of scene 1")).to_be_focused()
    review.keyboard.press("Enter")
    expect(heading(review)).to_contain_text("Tides")
    assert Review.objects.get(undone_at=None).reason == "style"
    assert waiting[0].video.steps.get(state=State.READY).stage == "image"


def test_keys_stay_silent_in_text_and_when_switched_off(review, waiting):
    review.keyboard.press("j")
    review.get_by_label("Note for the new try").press_sequentially("a ajar")
    expect(heading(review)).to_contain_text("Bread")
    heading(review).click()
    review.keyboard.press("?")
    review.get_by_label("Single keys do this").uncheck()
    review.get_by_role("button", name="Close").click()
    review.locator("h1 [data-vb-focus]").focus()
    review.keyboard.press("a")
    assert not Review.objects.exists()


def test_every_key_on_the_sheet_is_listed_with_its_words(review):
    review.goto(f"/review/{Asset.objects.get(verdict='flagged', kind='clip').pk}/")
    review.keyboard.press("?")
    rows = review.locator("#vb-shortcuts tbody tr")
    listed = [rows.nth(place).locator("kbd").inner_text() for place in range(rows.count())]
    assert sorted(listed) == sorted(["?", "A", "R", "J", "K", "Z", "1", "2", "3", "4", "N", "S", "Space", "←", "→"])


def test_a_clip_plays_steps_and_gives_way_to_the_reference(review):
    review.goto(f"/review/{Asset.objects.get(verdict='flagged', kind='clip').pk}/")
    film = review.locator(".vb-stage video")
    until(film, "film.readyState >= 2")
    review.keyboard.press("ArrowRight")
    review.keyboard.press("ArrowRight")
    assert film.evaluate("film => film.currentTime") == pytest.approx(0.08, abs=0.01)
    review.keyboard.press("ArrowLeft")
    assert film.evaluate("film => film.currentTime") == pytest.approx(0.04, abs=0.01)
    until(film, "!film.seeking && film.readyState >= 2")  # a person is slower than a step back takes
    review.keyboard.press(" ")
    until(film, "!film.paused && film.currentTime > 0.2")
    review.keyboard.press(" ")
    until(film, "film.paused")
    stage = review.locator("[data-vb-stage]")
    review.keyboard.down("s")
    expect(stage).to_have_class(re.compile("vb-swapped"))
    review.keyboard.up("s")
    expect(stage).not_to_have_class(re.compile("vb-swapped"))


def test_many_are_ticked_and_the_button_says_how_many(review, waiting):
    review.locator(".vb-item-tick").nth(0).check()
    review.locator(".vb-item-tick").nth(2).click(modifiers=["Shift"])
    button = review.get_by_role("button", name="Approve 3")
    review.get_by_label("Approve also those with a failed check").check()
    button.click()
    expect(review.locator("#vb-toasts")).to_contain_text("Approved 3.")
    assert [verdict for (verdict,) in verdicts(waiting)].count("approved") == 3


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 1440), ("light", 390), ("dark", 320)])
def test_review_pages_are_accessible(open_page, ana, waiting, sign_in, assert_accessible, theme, width):
    page = open_page(theme=theme, width=width)
    sign_in(page, ana)
    addresses = ["/review/", "/review/?tab=approved", *(f"/review/{asset.pk}/" for asset in waiting)]
    for address in addresses:
        page.goto(address)
        assert_accessible(page)


def test_review_works_without_scripts(browser, live_server, ana, waiting, sign_in):
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, ana)
    page.goto(f"/review/{waiting[0].pk}/")
    page.get_by_role("button", name="Approve").click()
    expect(heading(page)).to_contain_text("Tides")
    page.get_by_role("button", name="Undo").click()
    expect(heading(page)).to_contain_text("Bread")
    page.get_by_label("Wrong content").check()
    page.get_by_role("button", name="Regenerate image of scene 1").click()
    expect(heading(page)).to_contain_text("Tides")
    context.close()
    assert Review.objects.get(undone_at=None).reason == "content"
