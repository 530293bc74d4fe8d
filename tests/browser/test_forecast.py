from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from jobs.intake import drafts
from jobs.models import Batch
from providers.models import Lane, Offer, Price, Provider, Quota
from tests.factories import a_batch, a_user
from tests.jobs.metrics_rows import a_step, an_attempt

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SECONDS = {"script": 9, "voiceover": 4, "image": 12, "clip": 70, "render": 6}


@pytest.fixture
def batch():
    """One that gives lanes caps, quotas, prices and calls to measure by."""
    batch = a_batch("Why bread rises")
    Lane.objects.filter(capability="clip").update(max_in_flight=5)
    Provider.objects.filter(slug="studio").update(max_in_flight=None)
    Quota.objects.create(provider=Provider.objects.get(slug="studio"), capability="image", amount=20, window_s=60)
    Price.objects.filter(capability="image").update(micro=40_000, unit="images")
    Price.objects.filter(capability="clip").update(micro=50_000, unit="seconds")
    at = timezone.now() - timedelta(hours=2)
    for stage, seconds in SECONDS.items():
        lane = Lane.objects.get(capability=stage)
        offer = Offer.objects.filter(provider=lane.provider, capability=stage).first()
        step = a_step(batch, stage=stage)
        for n in range(9):
            took = seconds * (0.8 + n / 20)
            an_attempt(step, at=at, seconds=took, lane=lane, provider=lane.provider, capability=stage, offer=offer)
    return batch


@pytest.fixture
def producer(batch):
    return a_user(project=batch.project)


@pytest.fixture
def draft(batch, producer):
    pasted = "\n".join(f"Why bread number {n} rises" for n in range(40))
    return drafts.from_paste(batch.project, name="Spring", pasted=pasted, by=producer)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_four_ways_are_compared_before_the_start(
    open_page, sign_in, assert_accessible, producer, draft, theme, width
):
    page = open_page(theme=theme, width=width)
    sign_in(page, producer)
    page.goto(f"/drafts/{draft.token}/start/")
    expect(page.get_by_role("radio", name="Pipelined")).to_be_checked()
    page.get_by_text("When is which lane busy?").click()
    expect(page.get_by_role("img", name="Pipelined: when each lane is busy").first).to_be_visible()
    assert_accessible(page)


def test_a_way_is_chosen_by_its_row_and_started(page, sign_in, producer, draft):
    sign_in(page, producer)
    page.goto(f"/drafts/{draft.token}/start/")
    row = page.get_by_role("row", name="Stage by stage All scripts")
    expect(row).to_contain_text("Clips at Studio (offline): 5 at once")
    row.get_by_role("radio").check()
    page.get_by_role("button", name="Start the batch").click()
    page.wait_for_url("**/batches/**")
    made = Batch.objects.get(name="Spring")
    assert made.strategy == "parallel"
    assert made.forecast.told["strategy"] == "parallel"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_finished_batches_stand_beside_their_forecasts(
    open_page, sign_in, assert_accessible, batch, producer, theme, width
):
    for n in range(3):
        made = a_batch(f"Tides {n}", f"Locks {n}", project=batch.project)
        step = a_step(made, stage="clip")
        lane = Lane.objects.get(capability="clip")
        an_attempt(step, at=timezone.now(), seconds=70, lane=lane, provider=lane.provider, capability="clip")
        took = timedelta(seconds=made.forecast.p50_s * (0.95 + 0.06 * n))
        Batch.objects.filter(pk=made.pk).update(finished_at=made.created_at + took)
    page = open_page(theme=theme, width=width)
    sign_in(page, producer)
    page.goto("/metrics/")
    page.get_by_role("link", name="Forecasts").click()
    expect(page.get_by_role("row")).to_have_count(4)
    assert_accessible(page)


def test_a_deadline_is_typed_and_shown_by_the_clock_of_the_reader(
    open_page, sign_in, assert_accessible, producer, draft
):
    year = datetime.now(UTC).year + 3
    page = open_page(zone="America/New_York")
    sign_in(page, producer)
    page.goto(f"/drafts/{draft.token}/start/")
    page.get_by_label("Finish by").fill(f"{year}-12-24T18:00")
    page.get_by_role("button", name="Start the batch").click()
    expect(page.get_by_label("Finish by")).to_have_value(f"{year}-12-24T18:00")
    assert Batch.objects.latest("pk").finish_by == datetime(year, 12, 24, 23, 0, tzinfo=UTC)
    assert_accessible(page)
    page.get_by_label("Finish by").fill(f"{year}-12-24T19:00")
    page.locator("form", has=page.get_by_label("Finish by")).get_by_role("button", name="Change").click()
    expect(page.get_by_text("The deadline is changed.")).to_be_visible()
    expect(page.get_by_label("Finish by")).to_have_value(f"{year}-12-24T19:00")
    assert Batch.objects.latest("pk").finish_by == datetime(year, 12, 25, 0, 0, tzinfo=UTC)
