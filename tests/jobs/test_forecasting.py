"""From rows to plain values, and what is kept of a forecast."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.forecast import CannotForecast, bound_of, forecast, from_json
from jobs.models import Asset, Attempt, Batch, Forecast, Step, Video, Worker
from jobs.queries.forecasting import (
    forecasts_of_topics,
    keep_forecast,
    order_of_topics,
    orders_of,
    plain_from_json,
    seconds_left_of,
)
from jobs.queries.plain_market import plain_of
from jobs.queries.progress import progress_of
from jobs.settings_types import BatchSettings, TopicRow
from jobs.states import State, Verdict
from providers.adapters.studio import Studio
from providers.models import Lane, Offer, Provider, Quota, Usage
from providers.types import Capability
from tests.factories import a_batch, local_providers
from tests.jobs.metrics_rows import a_judged_file, a_step, an_attempt

pytestmark = [pytest.mark.engine, pytest.mark.django_db, pytest.mark.slow]
TOPICS = [TopicRow(topic="a"), TopicRow(topic="b", overrides={"scenes": 7}), TopicRow(topic="c")]


def plain(settings=None, topics=TOPICS):
    now = timezone.now()
    return plain_of(order_of_topics(topics, settings or BatchSettings()), now)


@pytest.fixture
def batch(db):
    return a_batch("Bread", "Tides", "Locks", settings=BatchSettings(scenes=2, seconds=8))


def measured(batch, stage):
    facts = plain().measured
    offer = Offer.objects.get(capability=stage)
    return facts.get((stage, offer.pk)) or facts[stage, None]


# -- reading


def test_rows_of_the_list_keep_their_order_and_their_own_scenes():
    order = order_of_topics(TOPICS, BatchSettings(scenes=3))
    assert [video.scenes for video in order.videos] == [3, 7, 3]
    assert order.videos[0] is order.videos[2]


def test_lanes_caps_and_pauses_are_read(batch):
    later = timezone.now() + timedelta(seconds=100)
    Lane.objects.filter(capability="clip").update(max_in_flight=5, queues_ahead=1, paused_until=later)
    Provider.objects.filter(slug="studio").update(max_in_flight=3)
    facts = plain()
    lane = next(lane for lane in facts.lanes if lane.capability == "clip")
    assert (lane.name, lane.cap) == ("Clips at Studio (offline)", 6)
    assert 95 < lane.opens_s <= 100
    assert lane.holds_thread  # the studio answers at once
    assert {p.name: (p.cap, p.is_here) for p in facts.providers}["Studio (offline)"] == (3, False)
    assert [p.is_here for p in facts.providers if p.name == "This machine"] == [True]


def test_threads_and_places_are_those_of_the_workers_that_are_seen(batch, settings):
    assert (plain().threads, plain().places) == (settings.CALL_THREADS, settings.MEDIA_PLACES)
    for role, ended in (("generation", None), ("generation", None), ("generation", timezone.now()), ("media", None)):
        Worker.objects.create(role=role, host="h", boot_id="b", pid=1, ended_at=ended)
    Worker.objects.create(role="generation", host="h", boot_id="b", pid=1, draining=True)
    assert (plain().threads, plain().places) == (2 * settings.CALL_THREADS, settings.MEDIA_PLACES)


def test_what_was_used_of_short_and_long_windows_is_read(batch):
    lane = Lane.objects.get(capability="image")
    Quota.objects.create(provider=lane.provider, capability="image", unit="requests", amount=9, window_s=60)
    Quota.objects.create(provider=lane.provider, capability="image", unit="images", amount=500, window_s=86_400)
    now = timezone.now()
    step = a_step(batch)
    an_attempt(step, at=now - timedelta(seconds=10), outcome="accepted")
    an_attempt(step, at=now - timedelta(seconds=11), outcome="not_sent")
    an_attempt(step, at=now - timedelta(seconds=12), outcome="rejected", http_status=429)
    an_attempt(step, at=now - timedelta(seconds=90))
    hour = (now - timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
    Usage.objects.create(provider=lane.provider, capability="image", hour=hour, requests=40, images=40)
    short, long = plain().quotas
    assert [units for _, units in short.used] == [1]
    assert short.used[0][0] == pytest.approx(-10, abs=1)
    assert [units for _, units in long.used] == [40]
    assert short.window.guard_s > 0


def test_before_anything_is_measured_the_studio_takes_seconds_and_no_vendors_minutes(batch):
    facts = plain()
    offers = dict(Offer.objects.filter(provider__slug="studio").values_list("capability", "pk"))
    for capability in ("script", "image", "clip", "voiceover"):
        assert facts.guess_of(capability, offers[capability]) == Studio.usual_s[Capability(capability)]
    told = forecast(facts, ["pipelined"])["pipelined"]
    assert told.p50_s < 200
    assert {"clip", "image"} <= set(told.guessed)


def test_durations_misses_and_failures_are_those_measured(batch):
    now, step = timezone.now(), a_step(batch, stage="image")
    for seconds in (8.0, 10.0, 12.0):
        an_attempt(step, at=now - timedelta(seconds=60), seconds=seconds, characters=80)
    an_attempt(step, at=now - timedelta(seconds=60), message="It failed.")
    an_attempt(step, at=now - timedelta(seconds=60), outcome="rejected", http_status=429)
    Step.objects.filter(pk=step.pk).update(finished_at=now + timedelta(seconds=1))
    for failed in ((), ("image.not_blank",)):
        file = a_judged_file(step, at=now, failed=failed)
        Asset.objects.filter(pk=file.pk).update(checked_s=0.7)
    facts = measured(batch, "image")
    assert sorted(facts.durations) == pytest.approx([8, 10, 12])
    assert (facts.calls, facts.missed, facts.judged, facts.failed) == (4, 1, 2, 1)
    assert facts.check_s == pytest.approx(0.7)
    assert facts.after_s == pytest.approx(48 + 0.3)  # the last call ended 48 s before its file was there
    assert facts.units == {"characters": 80}
    assert measured(batch, "clip").durations == ()


def test_a_call_takes_its_place_from_its_claim_or_from_the_moment_claimed_ahead(batch):
    now, step = timezone.now(), a_step(batch, stage="image")
    an_attempt(step, at=now - timedelta(seconds=60), seconds=10.0, on_wire_at=now - timedelta(seconds=59))
    an_attempt(step, at=now - timedelta(seconds=30), seconds=10.0, on_wire_at=now - timedelta(seconds=31))
    assert sorted(measured(batch, "image").durations) == pytest.approx([10, 11])


def test_files_whose_check_was_not_measured_have_it_in_their_wait(batch):
    now, step = timezone.now(), a_step(batch, stage="image")
    an_attempt(step, at=now - timedelta(seconds=10), seconds=10.0)
    Step.objects.filter(pk=step.pk).update(finished_at=now + timedelta(seconds=0.4))
    a_judged_file(step, at=now)
    facts = measured(batch, "image")
    assert (facts.check_s, facts.after_s) == (0.0, pytest.approx(0.4))
    assert measured(batch, "clip").check_s == 0.5


def test_the_wait_until_a_step_is_seen_is_measured_where_nothing_held_it(batch):
    assert plain().pickup_s == 0.025
    now = timezone.now()
    for ago, waited in ((40, 0.1), (30, 0.2), (20, 60.0), (10, 90.0)):
        step = a_step(batch, stage="image", created_at=now - timedelta(seconds=ago + waited))
        an_attempt(step, at=now - timedelta(seconds=ago), no=1)
    assert plain().pickup_s == pytest.approx(0.2)


def test_only_the_last_calls_of_each_lane_count(batch, monkeypatch):
    monkeypatch.setattr("jobs.queries.measured.LAST_CALLS", 2)
    now, step = timezone.now(), a_step(batch, stage="image")
    for ago in (30, 20, 10):
        an_attempt(step, at=now - timedelta(seconds=ago), seconds=float(ago / 10))
    assert sorted(measured(batch, "image").durations) == pytest.approx([1, 2])


def test_reading_takes_the_same_queries_for_many_rows(batch, django_assert_num_queries):
    Quota.objects.create(provider=Provider.objects.get(slug="studio"), unit="requests", amount=9, window_s=60)

    def ask():
        forecasts_of_topics(TOPICS, BatchSettings())

    with CaptureQueriesContext(connection) as few:
        ask()
    now, step = timezone.now(), a_step(batch, stage="image")
    for _ in range(20):
        an_attempt(step, at=now - timedelta(seconds=5))
        a_judged_file(step, at=now)
    a_batch(*(f"t{n}" for n in range(30)), project=batch.project)
    with django_assert_num_queries(len(few)):
        ask()


# -- batches under way


def test_an_order_under_way_says_what_is_done_and_what_runs(batch):
    video = batch.videos.first()
    Step.objects.filter(video=video).update(state=State.DONE)
    Asset.objects.create(
        video=video, kind="script", name="a", sha256="a", size=1, media_type="x", current=True, verdict=Verdict.PASSED
    )
    Step.objects.filter(video__position=2).update(state=State.CLAIMED)
    Video.objects.filter(position=3).update(cancelled_at=timezone.now(), state="cancelled")
    order = orders_of([batch], progress_of([batch]))[batch.pk]
    assert len(order.videos) == 2
    assert (order.done["script"], order.running["script"], order.done["clip"]) == (1, 1, 0)


def test_scripts_with_more_scenes_than_asked_for_are_taken_as_they_are(batch):
    video = batch.videos.first()
    for position in (1, 2, 3, 4, 5):
        video.scenes.create(position=position, narration="n", visual_prompt="v", seconds=4)
    order = orders_of([batch], progress_of([batch]))[batch.pk]
    assert sum(plan.scenes for plan in order.videos) == 5 + 2 + 2


def test_batches_that_run_are_told_of_together_with_the_others(batch):
    now = timezone.now()
    Provider.objects.update(max_in_flight=1)
    alone, _ = seconds_left_of([batch], progress_of([batch]), now)
    other = a_batch("One", "Two", "Three", project=batch.project, settings=BatchSettings(scenes=2, seconds=8))
    both, _ = seconds_left_of([batch, other], progress_of([batch, other]), now)
    with_other, _ = seconds_left_of([batch], progress_of([batch]), now)
    assert both[batch.pk] == pytest.approx(with_other[batch.pk])
    assert both[batch.pk] > 1.5 * alone[batch.pk]
    Batch.objects.filter(pk=other.pk).update(paused_at=now)
    assert seconds_left_of([batch], progress_of([batch]), now)[0] == alone


# -- what is kept


def test_a_forecast_is_kept_with_the_market_it_was_made_from(batch):
    kept = keep_forecast(batch)
    told = from_json(Forecast.objects.get(batch=batch).told)
    assert (kept.p10_s, kept.p50_s, kept.p90_s) == (told.p10_s, told.p50_s, told.p90_s)
    assert told.strategy == "pipelined"
    order = order_of_topics([TopicRow(topic="t")] * 3, batch.batch_settings)
    again = plain_from_json(kept.market, order)
    assert again.lanes and again.offers and again.threads
    assert bound_of(again, batch.batch_settings).seconds > 0


def test_nothing_is_kept_where_nothing_can_be_told(batch):
    Provider.objects.filter(slug="studio").update(enabled=False)
    assert keep_forecast(batch) is None
    with pytest.raises(CannotForecast, match="No enabled provider makes this stage"):
        forecasts_of_topics(TOPICS, BatchSettings())


@pytest.mark.django_db(transaction=True)
def test_launching_keeps_a_forecast():
    local_providers()
    batch = a_batch("Bread")
    assert batch.forecast.p50_s > 0
    assert Attempt.objects.count() == 0
