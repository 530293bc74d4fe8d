from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from playwright.sync_api import expect

from jobs.models import Batch, Step, Video
from jobs.states import Reason, State
from providers.sync import sync_providers
from tests.browser.film import until
from tests.factories import a_batch, a_project, a_user
from tests.jobs.views.situations import (
    a_flagged_image,
    a_lost_answer,
    a_script_at_its_gate,
    a_stuck_step,
    workers_are_seen,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def project(transactional_db):
    import_module("jobs.migrations.0002_groups").make_groups(apps, None)  # a test before this one emptied the tables
    sync_providers()
    return a_project(name="Bakery", slug="bakery", style="soft light", is_sample=True)


@pytest.fixture
def ana(project):
    return a_user(group="admin", project=project)


@pytest.fixture
def batch(project):
    """Something of everything."""
    batch = a_batch("Bread", "Tides", "Locks", "Silk", "Bees", project=project)
    first, second, *_ = batch.videos.all()
    Step.objects.filter(video__position=4).update(state=State.RUNNING)
    a_stuck_step(batch, position=2, message="The disk is full. Free some space, then try again.")
    a_stuck_step(batch, position=3, reason=Reason.REJECTED, message="Refused. Reword it.")
    a_flagged_image(batch)
    a_batch("Cats", project=project)
    return batch


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_is_accessible_with_data(open_page, project, ana, batch, sign_in, assert_accessible, theme, width):
    gate = a_script_at_its_gate("City", "Purr", project=project)
    a_lost_answer(Batch.objects.exclude(pk__in=[gate.pk, batch.pk]).get())
    page = open_page(theme=theme, width=width)
    sign_in(page, ana)
    addresses = ["/", "/help/", "/batches/", *(f"/batches/{pk}/" for pk in Batch.objects.values_list("pk", flat=True))]
    for address in [*addresses, f"/batches/{gate.pk}/scripts/", "/projects/", f"/projects/{project.pk}/"]:
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert_accessible(page)
    for address in ("/projects/new/", f"/projects/{project.pk}/edit/"):
        page.goto(address)
        assert_accessible(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_is_accessible_when_empty(open_page, ana, sign_in, assert_accessible, theme, width):
    page = open_page(theme=theme, width=width)
    sign_in(page, ana)
    for address in ("/", "/batches/", "/projects/"):
        page.goto(address)
        assert_accessible(page)
    sign_in(page, a_user())
    for address in ("/", "/batches/", "/projects/"):
        page.goto(address)
        assert_accessible(page)


def test_the_page_of_a_batch_follows_without_a_reload(page, ana, batch, sign_in):
    workers_are_seen()
    sign_in(page, ana)
    page.clock.install()
    page.goto(f"/batches/{batch.pk}/")
    figures = page.locator("#vb-batch-figures")
    expect(figures).to_contain_text("0 of 5")
    batch.videos.filter(position=5).update(state=Video.State.DONE, title="Inside a beehive")
    page.clock.run_for(3100)
    expect(figures).to_contain_text("1 of 5")
    expect(page.locator("#vb-batch-items")).to_contain_text("Inside a beehive")
    expect(page.get_by_role("link", name="Download 1 video")).to_be_visible()


def test_what_is_typed_and_chosen_stays_while_the_page_follows(page, ana, batch, sign_in):
    sign_in(page, ana)
    page.clock.install()
    page.goto(f"/batches/{batch.pk}/")
    page.get_by_role("searchbox", name="Find a topic").fill("half a w")
    page.get_by_label("Priority").select_option("High")
    batch.videos.filter(position=5).update(state=Video.State.DONE)
    page.clock.run_for(3100)
    expect(page.locator("#vb-batch-figures")).to_contain_text("1 of 5")
    expect(page.get_by_role("searchbox", name="Find a topic")).to_have_value("half a w")
    expect(page.get_by_label("Priority")).to_have_value("1")


def test_a_button_that_came_with_an_update_works(page, ana, batch, sign_in):
    """Buttons of live parts belong to forms outside of them."""
    sign_in(page, ana)
    page.clock.install()
    page.goto(f"/batches/{batch.pk}/")
    a_stuck_step(batch, position=5, message="A new cause.")
    page.clock.run_for(3100)
    row = page.locator("#vb-batch-items li", has_text="A new cause.")
    row.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("1 step is tried again.")).to_be_visible()
    assert Step.objects.get(batch=batch, video__position=5).state == State.READY
    assert Step.objects.filter(batch=batch, state=State.ATTENTION).count() == 2


def test_pausing_resuming_and_cancelling_by_keyboard(page, ana, batch, sign_in, assert_accessible):
    sign_in(page, ana)
    page.goto(f"/batches/{batch.pk}/")
    page.get_by_role("button", name="Pause", exact=True).press("Enter")
    expect(page.locator("#vb-batch-state")).to_have_text("Paused")
    page.get_by_role("button", name="Resume").press("Enter")
    expect(page.locator("#vb-batch-state")).not_to_have_text("Paused")
    opener = page.get_by_role("button", name="Cancel…")
    opener.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Other batches are not touched.")
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    opener.press("Enter")
    dialog.get_by_label("Everything").check()
    dialog.get_by_role("button", name="Cancel these").click()
    expect(page.locator("#vb-batch-state")).to_have_text("Cancelled")
    assert batch.videos.filter(cancelled_at=None).count() == 0
    assert Video.objects.exclude(batch=batch).filter(cancelled_at=None).count() == 1


def test_scripts_are_read_and_released(page, project, ana, sign_in):
    batch = a_script_at_its_gate("City", "Purr", project=project)
    sign_in(page, ana)
    page.goto("/")
    page.get_by_role("link", name="Read 2").click()
    expect(page.get_by_text("Bread rises.")).to_have_count(4)
    page.get_by_role("button", name="Release", exact=False).nth(1).click()
    expect(page.get_by_text("Bread rises.")).to_have_count(2)
    page.get_by_role("button", name="Release all 1").click()
    expect(page).to_have_url(f"{page.url.split('/batches/')[0]}/batches/{batch.pk}/")
    assert not batch.videos.filter(script_released_at=None).exists()


@pytest.mark.ffmpeg
def test_a_voice_is_heard_before_it_is_chosen(page, ana, project, sign_in):
    shutil.rmtree(Path(settings.MEDIA_ROOT, "previews"), ignore_errors=True)
    sign_in(page, ana)
    page.goto(f"/projects/{project.pk}/edit/")
    page.get_by_label("Language").select_option("de")
    page.get_by_label("Voice", exact=False).first.select_option("de+f3")
    page.get_by_role("button", name="Listen to this voice").click()
    player = page.locator("audio")
    expect(player).to_be_visible()
    until(player, "film.duration > 3 && film.currentTime > 0")
    page.get_by_label("Language").select_option("fr")
    expect(player).to_be_hidden()


def test_a_voice_that_does_not_fit_is_said_beside_the_button(page, ana, project, sign_in, problems):
    sign_in(page, ana)
    page.goto(f"/projects/{project.pk}/edit/")
    page.get_by_label("Language").select_option("fr")
    page.get_by_label("Voice", exact=False).first.select_option("de+f3")
    page.get_by_role("button", name="Listen to this voice").click()
    expect(page.get_by_text("That voice is not offered for this language.")).to_be_visible()
    problems[:] = [problem for problem in problems if "422" not in problem]
