"""What is foreseen before the start, and the page that compares it with what came."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from jobs.intake import drafts
from jobs.models import Asset, Batch, Review
from jobs.queries.forecasting import keep_forecast
from jobs.queries.foreseen import about
from jobs.settings_types import BatchSettings
from providers.models import Lane, Price, Provider, Quota
from tests.factories import a_batch, a_project, a_user
from tests.jobs.metrics_rows import a_step, an_attempt

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def project():
    return a_project()


@pytest.fixture
def producer(client, project):
    client.force_login(a_user(project=project))
    return client


def a_finished_batch(project, *, p50_s=100.0, p90_s=120.0, took_s=110.0, settings=None):
    batch = a_batch("Bread", "Tides", project=project, settings=settings)
    forecast = keep_forecast(batch)
    forecast.told.update(p50_s=p50_s, p90_s=p90_s)
    forecast.p50_s, forecast.p90_s = p50_s, p90_s
    forecast.save()
    Batch.objects.filter(pk=batch.pk).update(finished_at=batch.created_at + timedelta(seconds=took_s))
    batch.refresh_from_db()
    return batch


def rows(client):
    answer = client.get(reverse("metrics_forecasts"))
    assert answer.status_code == 200
    return answer.context["rows"]


# -- before the start


@pytest.fixture
def draft(project, producer):
    a_batch("Bread", project=project)  # the providers' rows are there
    Batch.objects.update(cancelled_at=timezone.now())
    by = project.members.get()
    return drafts.from_paste(project, name="Spring", pasted="\n".join(f"Bread {n}" for n in range(9)), by=by)


def start_page(client, draft):
    answer = client.get(reverse("draft_start", args=[draft.token]))
    assert answer.status_code == 200
    return answer


def test_the_four_ways_stand_side_by_side_with_what_each_needs(producer, draft):
    Lane.objects.filter(capability="clip").update(max_in_flight=1)
    Price.objects.filter(capability="image").update(micro=40_000, unit="images")
    answer = start_page(producer, draft)
    shown = [choice for _, choice in answer.context["choices"]]
    assert [choice.name for choice in shown] == ["Pipelined", "Stage by stage", "In chunks", "One by one"]
    assert shown[0].binding == "Clips at Studio (offline): 1 at once"
    assert shown[0].cost == "$1.44"
    page = answer.content.decode()
    assert len(re.findall(r'type="radio" name="strategy"', page)) == 4
    assert "Nobody has measured clips, images, renders, scripts and voiceovers here yet" in page


def test_what_cannot_be_foreseen_is_said_and_the_ways_can_still_be_chosen(producer, draft):
    Provider.objects.filter(slug="studio").update(enabled=False)
    page = start_page(producer, draft).content.decode()
    assert "No forecast: No enabled provider makes this stage: script." in page
    assert len(re.findall(r'type="radio" name="strategy"', page)) == 4


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (45.4, "45 s"),
        (338, "5 m 40 s"),
        (2340, "39 min"),
        (15_130, "4 h 12 m"),
        (500_000, "139 h"),
    ],
)
def test_times_have_no_more_digits_than_a_forecast_has(seconds, words):
    assert about(seconds) == words


# -- afterwards


def test_a_finished_batch_stands_beside_its_forecast(producer, project):
    a_finished_batch(project, p50_s=100, p90_s=120, took_s=125)
    [row] = rows(producer)
    assert (row.p50_s, row.took_s, row.in_time) == (100, 125, False)
    assert row.off == pytest.approx(0.2)
    page = producer.get(reverse("metrics_forecasts")).content.decode()
    assert "half of the forecasts were off by 20 % or less; 0 ended within" in page


def test_the_page_of_a_batch_says_what_was_foreseen(producer, project):
    batch = a_finished_batch(project, p50_s=2340, p90_s=2500)
    page = producer.get(reverse("batch_detail", args=[batch.pk])).content.decode()
    assert "39 min, 9 of 10 times within 42 min" in page


def test_the_bound_is_of_its_own_calls_and_its_own_quotas(producer, project):
    a_batch("First", project=project)
    Batch.objects.update(cancelled_at=timezone.now())
    studio = Provider.objects.get(slug="studio")
    Provider.objects.update(max_in_flight=None)
    Quota.objects.create(provider=studio, capability="image", amount=2, window_s=60)
    batch = a_finished_batch(project, took_s=400)
    Quota.objects.all().delete()  # what counts is what there was
    step = a_step(batch, stage="image")
    lane = Lane.objects.get(capability="image")
    for n in range(12):
        at = batch.created_at + timedelta(seconds=30 * n)
        an_attempt(step, at=at, seconds=10.0, lane=lane, provider=studio, capability="image")
    [row] = rows(producer)
    assert row.binding == "Images at Studio (offline): 2 requests a minute"
    assert row.bound_s == pytest.approx(5 * 60 + 10)
    assert row.of_bound == pytest.approx(400 / 310)


def test_what_waited_for_people_is_shown_and_left_out_of_the_sums(producer, project):
    a_finished_batch(project, took_s=100)
    waited = a_finished_batch(project, took_s=5000)
    asset = Asset.objects.create(
        video=waited.videos.first(), kind="image", name="a", sha256="a", size=1, media_type="image/png"
    )
    Review.objects.create(asset=asset, verdict="approved", by=project.members.get())
    a_finished_batch(project, took_s=9000, settings=BatchSettings(script_gate=True))
    told = {row.took_s: row.with_people for row in rows(producer)}
    assert told == {100: False, 5000: True, 9000: True}
    assert producer.get(reverse("metrics_forecasts")).context["summary"].count == 1


def test_strangers_see_none_of_it(client, project):
    a_finished_batch(project)
    client.force_login(a_user(project=a_project()))
    assert rows(client) == []


def test_many_batches_take_the_same_queries_as_few(producer, project, django_assert_max_num_queries):
    counts = []
    for more in (2, 5):
        for _ in range(more):
            batch = a_finished_batch(project)
            an_attempt(a_step(batch), at=timezone.now())
        with django_assert_max_num_queries(30) as asked:
            rows(producer)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_the_metrics_lead_there_and_the_page_keeps_to_the_policy(producer, project):
    assert reverse("metrics_forecasts") in producer.get(reverse("metrics")).content.decode()
    assert "Nothing to compare yet" in producer.get(reverse("metrics_forecasts")).content.decode()
    a_finished_batch(project)
    page = producer.get(reverse("metrics_forecasts")).content.decode()
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style", page)
