from __future__ import annotations

import csv
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from tests.factories import a_batch, a_project, a_user
from tests.jobs.metrics_rows import a_judged_file, a_step, an_attempt, an_ended_video

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def producer():
    batch = a_batch("Why bread rises")
    for days in range(6):
        at = timezone.now() - timedelta(days=days, minutes=5)
        for stage in ("voiceover", "image", "clip"):
            step = a_step(batch, stage=stage)
            an_attempt(step, at=at, seconds=8 + days, spent=40_000)
            an_attempt(step, at=at, outcome="rejected", http_status=429, message="Slow down.")
            a_judged_file(step, at=at, failed=("image.not_blank",) if days == 2 else ())
        an_ended_video(batch, at=at)
    type(batch).objects.filter(pk=batch.pk).update(created_at=timezone.now() - timedelta(days=9))
    return a_user(project=batch.project)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_everybody_can_use_the_page(open_page, sign_in, assert_accessible, producer, theme, width):
    page = open_page(theme=theme, width=width)
    sign_in(page, producer)
    page.goto("/metrics/")
    for card in page.get_by_text("Show as table").all():
        card.click()
    expect(page.get_by_role("table").first).to_be_visible()
    assert_accessible(page)


@pytest.mark.parametrize("width", [1440, 390])
def test_the_empty_page_is_usable_too(open_page, sign_in, assert_accessible, width):
    page = open_page(width=width)
    sign_in(page, a_user(project=a_project()))
    page.goto("/metrics/")
    expect(page.get_by_role("heading", name="Nothing to measure yet")).to_be_visible()
    assert_accessible(page)


def test_choosing_a_period_asks_again_and_stays_in_the_address(page, sign_in, producer):
    sign_in(page, producer)
    page.goto("/metrics/")
    page.get_by_label("Period").select_option("7")
    page.wait_for_url("**/metrics/?period=7**")
    expect(page.locator(".vb-meta")).to_contain_text("Last 7 days")


def test_columns_are_drawn_and_their_list_comes_down(page, sign_in, producer, tmp_path):
    sign_in(page, producer)
    page.goto("/metrics/?period=7")
    blocks = page.locator("section[aria-labelledby=cost_per_video] .vb-chart-plot rect")
    expect(blocks).to_have_count(18)
    assert all(block.bounding_box()["height"] > 5 for block in blocks.all())
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of Cost per video, by stage").click()
    download.value.save_as(tmp_path / "list.csv")
    rows = list(csv.reader((tmp_path / "list.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == 8
    assert rows[-1][-1] == "0.120000"
