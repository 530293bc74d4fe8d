from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.factories import a_batch, a_project, a_user
from tests.jobs.metrics_rows import a_judged_file, a_step, an_attempt, an_ended_video

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch():
    made = a_batch("Why bread rises", project=a_project(name="=Bakery"))
    fill(made)
    return made


def fill(batch, times=1):
    at = timezone.now() - timedelta(minutes=5)
    for _ in range(times):
        step = a_step(batch)
        an_attempt(step, at=at, seconds=8, spent=40_000)
        an_attempt(step, at=at, outcome="rejected", http_status=429, message="Slow down.")
        a_judged_file(step, at=at, failed=("image.not_blank",))
        an_ended_video(batch, at=at)


@pytest.fixture
def viewer(client, batch):
    client.force_login(a_user(group="viewer", project=batch.project))
    return client


def lines(answer):
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_the_page_says_what_was_found(viewer):
    words = viewer.get(reverse("metrics")).content.decode()
    assert "A video costs $0.04; 100 % of it is image" in words
    assert "Rate limit reached" in words
    assert words.count("Show as table") == 6


def test_cards_with_nothing_to_draw_come_last(client):
    batch = a_batch()
    an_attempt(a_step(batch), at=timezone.now() - timedelta(minutes=5), seconds=8, spent=0)
    client.force_login(a_user(group="viewer", project=batch.project))
    drawn = [card.chart is not None for card in client.get(reverse("metrics")).context["report"].cards]
    assert True in drawn
    assert False in drawn
    assert drawn == sorted(drawn, reverse=True)


def test_without_work_the_page_says_what_to_do(client):
    client.force_login(a_user())
    words = client.get(reverse("metrics")).content.decode()
    assert "Nothing to measure yet" in words
    assert "Success rate" not in words


def test_a_filter_without_results_offers_the_way_back(viewer, batch):
    other = a_batch("Tides", project=batch.project)
    words = viewer.get(reverse("metrics"), {"batch": other.pk}).content.decode()
    assert "Nothing happened here" in words
    assert "Show the last 30 days" in words


@pytest.mark.parametrize("what", ["project", "batch"])
def test_what_a_stranger_asks_about_does_not_exist(client, batch, what):
    client.force_login(a_user(project=a_project()))
    pk = {"project": batch.project_id, "batch": batch.pk}[what]
    for name in ("metrics", "metrics_csv"):
        assert client.get(reverse(name), {what: pk}).status_code == 404


def test_a_strangers_figures_are_empty(client, batch):
    client.force_login(a_user(project=a_project()))
    assert "Nothing to measure yet" in client.get(reverse("metrics")).content.decode()
    assert lines(client.get(reverse("metrics_csv"), {"table": "times"}))[1:] == []


@pytest.mark.parametrize("what", ["project", "batch", "provider"])
@pytest.mark.parametrize("nonsense", ["0", "x", "٣", "9" * 30, "1 OR 1=1", "-1"])
def test_nonsense_in_the_address_is_not_found(viewer, what, nonsense):
    assert viewer.get(reverse("metrics"), {what: nonsense}).status_code == 404


def test_a_period_nobody_knows_is_the_usual_one(viewer):
    assert "Last 30 days ·" in viewer.get(reverse("metrics"), {"period": "1e9"}).content.decode()


def test_filters_stay_in_the_links_to_the_lists(viewer, batch):
    words = viewer.get(reverse("metrics"), {"period": "7", "project": batch.project_id}).content.decode()
    assert f"?table=times&amp;period=7&amp;project={batch.project_id}" in words


@pytest.mark.parametrize(
    "table", ["summary", "cost_per_video", "success", "times", "checks", "failures", "cost_per_asset"]
)
def test_every_table_is_a_list(viewer, table):
    answer = viewer.get(reverse("metrics_csv"), {"table": table})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="metrics-{table}-' in answer["Content-Disposition"]
    heads, *rows = lines(answer)
    assert rows
    assert all(len(row) == len(heads) for row in rows)


def test_a_list_has_plain_numbers(viewer):
    heads, row = lines(viewer.get(reverse("metrics_csv"), {"table": "times"}))
    assert heads == ["Stage", "Provider", "Results", "Average, s", "Median, s", "p95, s"]
    assert row[2:4] == ["1", "8.00"]


def test_a_name_that_starts_like_a_formula_is_guarded_in_lists(viewer, batch):
    provider = a_step(batch).provider
    type(provider).objects.filter(pk=provider.pk).update(label="=1+1")
    assert lines(viewer.get(reverse("metrics_csv"), {"table": "times"}))[1][1] == "'=1+1"


def test_an_unknown_table_is_not_found(viewer):
    assert viewer.get(reverse("metrics_csv"), {"table": "secrets"}).status_code == 404


def test_the_page_only_reads(viewer):
    assert viewer.post(reverse("metrics")).status_code == 405


def test_more_rows_need_no_more_queries(viewer, batch, django_assert_max_num_queries):
    viewer.get(reverse("metrics"))
    with django_assert_max_num_queries(100) as before:
        viewer.get(reverse("metrics"))
    fill(batch, times=12)
    with django_assert_max_num_queries(len(before)):
        viewer.get(reverse("metrics"))
