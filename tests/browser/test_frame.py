from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from playwright.sync_api import expect

from tests.browser import frame_urls

STATIC = Path(__file__).resolve().parents[2] / "static"
PASSWORD = "correct horse battery"

pytestmark = [pytest.mark.browser, pytest.mark.urls("tests.browser.frame_urls")]


@pytest.fixture(autouse=True)
def _fresh_answers():
    frame_urls.live_answer.clear()
    frame_urls.asked.clear()


@pytest.fixture
def ana(transactional_db):
    return get_user_model().objects.create_user("ana", password=PASSWORD, is_staff=True)


@pytest.fixture
def component_page(page, ana, sign_in):
    sign_in(page, ana)
    page.clock.install()
    page.goto("/")
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390, 320])
def test_every_component_is_accessible_in_both_themes_and_on_small_screens(
    open_page, ana, sign_in, assert_accessible, theme, width
):
    page = open_page(theme=theme, width=width)
    page.goto("/login/")
    assert_accessible(page)
    sign_in(page, ana)
    for address in ("/", "/password/"):
        page.goto(address)
        assert page.locator("html").get_attribute("data-bs-theme") == theme
        assert_accessible(page)


def test_signing_in_and_out_works_and_returns_to_the_page_asked_for(page, ana):
    page.goto("/password/")
    page.get_by_label("Username").fill("ana")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Change password")
    page.locator(".vb-user summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_the_theme_switch_is_remembered(component_page):
    component_page.get_by_role("button", name="Switch between light and dark").click()
    expect(component_page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    component_page.reload()
    expect(component_page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_the_skip_link_is_the_first_stop_and_leads_to_the_content(component_page):
    first = component_page.locator("a[href], button, input").first
    expect(first).to_have_text("Skip to the content")
    expect(first).not_to_be_in_viewport()
    first.focus()
    expect(first).to_be_in_viewport()
    first.press("Enter")
    expect(component_page.locator("#main")).to_be_focused()


def test_the_menu_folds_on_a_small_screen(open_page, ana, sign_in):
    page = open_page(width=390)
    sign_in(page, ana)
    page.goto("/")
    expect(page.get_by_role("link", name="Overview")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Overview")).to_be_visible()


def test_a_dialog_opens_and_gives_the_focus_back(component_page):
    opener = component_page.get_by_role("button", name="Cancel batch")
    opener.click()
    expect(component_page.get_by_role("heading", name="Cancel?")).to_be_visible()
    component_page.get_by_role("button", name="Keep as it is").click()
    expect(component_page.get_by_role("heading", name="Cancel?")).to_be_hidden()
    expect(opener).to_be_focused()


def test_good_news_is_a_toast_and_a_warning_stays(component_page):
    expect(component_page.locator("#vb-toasts")).to_contain_text("Batch started")
    component_page.clock.run_for(11_000)
    expect(component_page.locator("#vb-toasts")).not_to_contain_text("Batch started")
    expect(component_page.locator(".vb-alert-warning").first).to_contain_text("2 rows need a fix.")


def test_the_help_sheet_opens_with_its_key_unless_somebody_types(component_page):
    sheet = component_page.locator("#vb-shortcuts")
    component_page.get_by_label("Find a topic").press("?")
    expect(sheet).to_be_hidden()
    component_page.get_by_role("heading", level=1).click()
    component_page.locator("#main").press("?")
    expect(sheet).to_be_visible()


def fragment(text: str, version: str = "2") -> str:
    return (
        f'<div id="region" hx-swap-oob="true"><p>{text}</p></div>'
        f'<input type="hidden" name="v" id="vb-live-version" value="{version}" hx-swap-oob="true">'
    )


def tick(page, milliseconds: int = 3000) -> None:
    with page.expect_response("**/live/**"):
        page.clock.run_for(milliseconds)


def test_a_tick_brings_the_changed_region_and_the_next_one_asks_with_its_version(component_page):
    component_page.evaluate("document.activeElement.blur()")
    frame_urls.live_answer.update(status=200, body=fragment("new"))
    tick(component_page)
    expect(component_page.locator("#region")).to_have_text("new")
    component_page.clock.run_for(100)
    tick(component_page)
    assert frame_urls.asked == ["1", "2"]


def test_a_region_with_the_focus_is_left_alone_and_asked_for_again(component_page):
    component_page.locator("#inside").focus()
    frame_urls.live_answer.update(status=200, body=fragment("new"))
    tick(component_page)
    component_page.clock.run_for(200)
    expect(component_page.locator("#vb-live-version")).to_have_value("")
    expect(component_page.locator("#region")).to_contain_text("old")
    component_page.evaluate("document.activeElement.blur()")
    tick(component_page)
    expect(component_page.locator("#region")).to_have_text("new")
    assert frame_urls.asked == ["1", ""]


def test_paused_updates_ask_for_nothing(component_page):
    component_page.get_by_label("Pause updates").check()
    component_page.clock.run_for(60_000)
    assert frame_urls.asked == []


def test_an_ended_batch_stops_the_asking(component_page):
    frame_urls.live_answer.update(status=286)
    tick(component_page)
    component_page.clock.run_for(60_000)
    assert len(frame_urls.asked) == 1


def test_two_missed_updates_are_said_and_retry_brings_them_back(component_page, problems):
    frame_urls.live_answer.update(status=500)
    tick(component_page)
    notice = component_page.locator("#vb-stale")
    expect(notice).to_be_hidden()
    tick(component_page, 15_000)
    expect(notice).to_contain_text("Not updating since")
    frame_urls.live_answer.update(status=204)
    with component_page.expect_response("**/live/**"):
        component_page.get_by_role("button", name="Retry").click()
    expect(notice).to_be_hidden()
    assert len(problems) == 4, "two requests, each said by the browser and by htmx"
    problems.clear()


def test_pages_that_fail_stand_in_the_same_frame(client, ana):
    client.raise_request_exception = False
    client.force_login(ana)
    for address, status, words in (("/nowhere/", 404, "Page not found"), ("/broken/", 500, "Something broke")):
        answer = client.get(address)
        assert answer.status_code == status
        assert words in answer.content.decode()
        assert "vb-sidebar" in answer.content.decode()


def test_every_static_file_named_in_a_style_sheet_exists(tmp_path, settings):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    assert (tmp_path / "staticfiles.json").exists()


def test_vendored_files_are_the_ones_written_down():
    lines = re.findall(r"^\| `([^`]+)` .* `([0-9a-f]{64})` \|$", (STATIC / "vendor/VENDOR.md").read_text(), re.M)
    assert len(lines) >= 5
    for name, sha256 in lines:
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == sha256, name


def test_every_icon_a_template_names_is_in_the_sprite():
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons/sprite.svg").read_text()))
    templates = (STATIC.parent / "templates").rglob("*.html")
    named = {name for file in templates for name in re.findall(r'{% icon "([^"]+)"', file.read_text())}
    assert named <= drawn, named - drawn
