"""The choice to have something made in bulk: where it is offered, what it costs, and what pages say of it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from jobs.engine.bulk_claim import is_open
from jobs.forecast import LaneFacts
from jobs.intake.estimate import estimate
from jobs.models import Batch, BulkJob, Step
from jobs.offers import concerns, stages_in_bulk
from jobs.queries.bulk_words import bulk_words_of
from jobs.queries.forecasting import forecasts_of_topics
from jobs.queries.lane_words import broken
from jobs.settings_types import BatchSettings, TopicRow
from jobs.states import Stage
from providers.models import Lane, Offer, Price, Provider, price_for
from providers.sync import sync_providers
from tests.factories import LOCAL, a_batch, a_user, local_providers

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
TODAY = date(2026, 11, 28)
TOPICS = [TopicRow(topic="Why bread rises"), TopicRow(topic="How glass is made")]
DAY_S = 86_400


@pytest.fixture
def luna(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    sync_providers(*LOCAL, "openai")
    return Offer.objects.get(name="gpt-6-luna")


def scripts_by(offer, **values) -> BatchSettings:
    return BatchSettings(**{"scenes": 2, "seconds": 8, "offers": {"script": [offer.pk]}, "bulk": ("script",), **values})


# -- rows --------------------------------------------------------------------------------------------


def test_what_is_sold_in_bulk_has_a_lane_and_half_the_price(luna):
    lanes = Lane.objects.filter(provider__slug="openai", bulk=True)
    assert sorted(lanes.values_list("capability", flat=True)) == ["image", "script"]
    prices = list(Price.objects.filter(provider=luna.provider))
    full, half = (price_for(prices, "script", luna.pk, bulk=bulk) for bulk in (False, True))
    assert (half.micro, half.per, half.beside) == (full.micro, 2 * full.per, full.beside)
    assert not Price.objects.filter(bulk=True, capability__in=("voiceover", "moderation")).exists()


def test_a_second_sync_adds_nothing_and_a_lane_that_was_deleted_stays_away(luna):
    assert sync_providers("openai").added == []
    Lane.objects.filter(bulk=True).delete()
    assert sync_providers("openai").added == []
    assert not Lane.objects.filter(bulk=True).exists()


def test_a_bulk_price_that_was_edited_stays(luna):
    Price.objects.filter(offer=luna, bulk=True).update(micro=7)
    sync_providers("openai")
    prices = list(Price.objects.filter(provider=luna.provider))
    assert price_for(prices, "script", luna.pk, bulk=True).micro == 7


# -- which way steps go --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "bulk"),
    [({}, True), ({"bulk": ()}, False), ({"bulk": ("image",)}, False), ({"strategy": "sequential"}, False)],
)
def test_only_what_was_chosen_goes_in_bulk_and_never_one_step_at_a_time(luna, values, bulk):
    batch = a_batch(settings=scripts_by(luna, **values))
    assert Step.objects.get(batch=batch).lane.bulk is bulk


def test_what_is_not_sold_in_bulk_goes_by_calls(luna):
    studio = Offer.objects.get(provider__slug="studio", capability="script")
    batch = a_batch(settings=scripts_by(studio))
    assert Step.objects.get(batch=batch).lane.bulk is False


def test_a_batch_is_marked_so_that_drives_need_not_look(luna):
    assert a_batch(settings=scripts_by(luna)).in_bulk
    assert not a_batch(settings=scripts_by(luna, bulk=())).in_bulk


# -- what is told before -----------------------------------------------------------------------------------


def test_what_is_not_sold_in_bulk_is_warned_about_and_without_a_price_refused(luna):
    studio = Offer.objects.get(provider__slug="studio", capability="script")
    (sentence,) = concerns(scripts_by(studio), TODAY).warned
    assert "not sold in bulk" in sentence
    assert concerns(scripts_by(luna), TODAY).refused == []
    Price.objects.filter(bulk=True).delete()
    (sentence,) = concerns(scripts_by(luna), TODAY).refused
    assert "no price in bulk" in sentence
    assert concerns(scripts_by(luna, strategy="sequential"), TODAY).refused == []


@pytest.mark.parametrize(("hours", "bulk"), [(None, True), (23, False), (25, True), (-1, True)])
def test_with_a_deadline_within_a_day_nothing_is_made_in_bulk(luna, hours, bulk):
    now = timezone.now()
    batch = a_batch(settings=scripts_by(luna), finish_by=hours and now + timedelta(hours=hours), now=now)
    assert (batch.in_bulk, Step.objects.get(batch=batch).lane.bulk) == (bulk, bulk)


def test_stages_are_offered_where_something_is_sold_so(luna, monkeypatch):
    assert stages_in_bulk() == [Stage.SCRIPT, Stage.IMAGE]
    monkeypatch.delenv("OPENAI_API_KEY")
    assert stages_in_bulk() == []


def test_the_estimate_counts_the_bulk_price(luna):
    full, half = (estimate(TOPICS, scripts_by(luna, bulk=bulk)).micro for bulk in ((), ("script",)))
    assert 0 < half < full
    assert abs(2 * half - full) <= 2


def test_the_forecast_counts_the_bulk_price_and_the_whole_day(luna):
    at_once = forecasts_of_topics(TOPICS, scripts_by(luna, bulk=()))
    in_bulk = forecasts_of_topics(TOPICS, scripts_by(luna))
    assert at_once["pipelined"].p50_s < DAY_S < in_bulk["pipelined"].p10_s < DAY_S * 1.1
    assert in_bulk["pipelined"].bound_s >= DAY_S
    assert abs(2 * in_bulk["pipelined"].micro - at_once["pipelined"].micro) <= 4
    assert "script" not in in_bulk["pipelined"].guessed


def test_one_step_at_a_time_is_foreseen_at_once_and_at_the_full_price(luna):
    at_once = forecasts_of_topics(TOPICS, scripts_by(luna, bulk=()))["sequential"]
    in_bulk = forecasts_of_topics(TOPICS, scripts_by(luna))["sequential"]
    assert (in_bulk.micro, in_bulk.p50_s) == (at_once.micro, at_once.p50_s)


def test_lines_are_foreseen_to_wait_for_no_place_and_no_quota(luna):
    luna.provider.max_in_flight = 1
    luna.provider.save()
    many = [TopicRow(topic=f"topic {n}") for n in range(30)]
    assert forecasts_of_topics(many, scripts_by(luna, render_gate=True))["pipelined"].first_s < DAY_S * 1.1


def test_a_forecast_kept_before_there_was_bulk_can_still_be_read():
    assert LaneFacts(**{"id": 1, "provider_id": 1, "name": "Scripts"}).bulk_s is None


# -- pages ---------------------------------------------------------------------------------------------------

FORM = {
    "name": "Bakery channel", "style": "", "aspect_ratio": "9:16", "short_side": "720", "language": "en", "voice": "",
    "seconds": "30", "scenes": "5", "auto_retries": "1", "takes": "1",
}  # fmt: skip


@pytest.fixture
def producer(client):
    client.force_login(a_user())
    return client


def saved(producer, **values):
    answer = producer.post(reverse("project_new"), {**FORM, **values})
    if answer.status_code != 302:
        return answer.content.decode()
    return producer.get(answer.url).content.decode()


def test_a_project_chooses_bulk_with_its_model_and_says_so(producer, luna):
    text = saved(producer, script_first=luna.pk, bulk=["script"])
    assert "In bulk, within 24 hours" in text
    assert Batch.objects.count() == 0


def test_bulk_wants_a_model_that_is_sold_so(producer, luna):
    studio = Offer.objects.get(provider__slug="studio", capability="script")
    assert "Choose the model" in saved(producer, bulk=["script"])
    assert "is not sold in bulk" in saved(producer, script_first=studio.pk, bulk=["script"])
    Price.objects.filter(bulk=True).delete()
    assert "has no price in bulk" in saved(producer, script_first=luna.pk, bulk=["script"])


def test_where_nothing_is_sold_in_bulk_there_is_nothing_to_choose(producer):
    local_providers()
    assert "within 24 hours" not in producer.get(reverse("project_new")).content.decode()
    assert "In bulk" not in saved(producer)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("open", "sent within a minute"),
        ("closed", "about to be sent"),
        ("sending", "on the way to OpenAI"),
        ("unknown", "the order is looked for there"),
        ("running", "2 worked on: back by"),
        ("reading", "the results are read"),
    ],
)
def test_the_batch_page_says_what_is_out_in_bulk(client, luna, state, words):
    client.force_login(a_user(is_superuser=True))
    batch = a_batch(settings=scripts_by(luna))
    job = a_job(batch, luna, state=state, lines=5, done=2)
    text = client.get(reverse("batch_detail", args=[batch.pk])).content.decode()
    assert words in text
    job.state = "over"
    job.save()
    assert bulk_words_of(batch) == []


def test_a_paused_batch_says_that_nothing_is_sent(luna):
    batch = a_batch(settings=scripts_by(luna))
    a_job(batch, luna, lines=1, message="It is <full>.")
    batch.paused_at = timezone.now()
    (words,) = bulk_words_of(batch)
    assert words == "1 script for OpenAI in bulk: sent when the batch goes on. (It is &lt;full&gt;.)"


@pytest.mark.parametrize("state", ["open", "closed"])
def test_what_keeps_a_job_that_is_not_sent_is_said(luna, state):
    batch = a_batch(settings=scripts_by(luna))
    job = a_job(batch, luna, state=state, lines=2)
    Lane.objects.filter(pk=job.lane_id).update(paused=True, pause_reason="Too much waits there.")
    (words,) = bulk_words_of(batch)
    assert words.endswith("not sent yet. OpenAI · scripts in bulk is paused: Too much waits there.")
    Provider.objects.filter(pk=job.provider_id).update(paused=True, pause_reason="The account is <empty>.")
    (words,) = bulk_words_of(batch)
    assert words == "2 scripts for OpenAI in bulk: not sent yet. OpenAI is paused: The account is &lt;empty&gt;."


def test_a_lane_of_bulk_jobs_that_is_set_to_0_is_said_to_be_stopped(client, luna):
    client.force_login(a_user(is_superuser=True))
    batch = a_batch(settings=scripts_by(luna))
    page = reverse("batch_detail", args=[batch.pk])
    assert "which stops it" not in client.get(page).content.decode()
    Lane.objects.filter(bulk=True).update(max_in_flight=0)
    assert "scripts in bulk is set to 0 calls at once, which stops it" in client.get(page).content.decode()
    a_job(batch, luna, lines=2)
    (words,) = bulk_words_of(batch)
    assert "not sent yet. OpenAI · scripts in bulk is set to 0 calls at once, which stops it" in words


@pytest.mark.parametrize(("later_s", "is_kept"), [(60, True), (-1, False)])
def test_a_lane_of_bulk_jobs_that_broke_is_said_to_wait_just_as_long_as_it_does(luna, later_s, is_kept):
    lane, now = Lane.objects.get(provider=luna.provider, capability="script", bulk=True), timezone.now()
    lane.failures_in_row, lane.broken_until = 9, now + timedelta(seconds=later_s)
    assert bool(broken("scripts", lane, now)) is is_kept
    assert is_open(lane, now) is not is_kept


def test_bulk_jobs_are_looked_at_in_the_admin_and_not_changed(client, luna):
    client.force_login(a_user(is_superuser=True, is_staff=True))
    job = a_job(a_batch(settings=scripts_by(luna)), luna, lines=3)
    assert job.tag in client.get(reverse("admin:jobs_bulkjob_changelist")).content.decode()
    assert client.post(reverse("admin:jobs_bulkjob_change", args=[job.pk]), {"lines": 9}).status_code == 403


def a_job(batch, offer, **values) -> BulkJob:
    lane, now = Lane.objects.get(provider=offer.provider, capability="script", bulk=True), timezone.now()
    return BulkJob.objects.create(
        batch=batch,
        provider=offer.provider,
        lane=lane,
        offer=offer,
        capability="script",
        tag="the-tag",
        sent_at=now,
        next_at=now + timedelta(minutes=1),
        **values,
    )
