"""The moment by which a batch is to be finished: typed in, warned about, shown, changed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.urls import reverse

from jobs.forms_deadline import PAST, TOO_FAR, DeadlineForm
from jobs.intake import drafts
from jobs.models import Batch, Step
from jobs.queries import eta
from jobs.queries.eta import TimeLeft, done_at
from providers.adapters.studio import Studio
from providers.models import Offer
from providers.types import Capability
from tests.factories import a_user, local_providers
from tests.jobs.views.asking import page, said
from tests.jobs.views.situations import a_lost_answer, workers_are_seen

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
START = {
    "strategy": "pipelined",
    "chunk_size": "10",
    "seconds": "20",
    "scenes": "4",
    "crossfade_s": "0.0",
    "priority": "0",
}


@pytest.fixture(autouse=True)
def _at_noon():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def draft(producer, project):
    local_providers()
    return drafts.from_paste(project, name="Spring", pasted="Bread\nLocks", by=a_user(project=project))


def start(client, draft, **values):
    return client.post(reverse("draft_start", args=[draft.token]), {**START, **values})


def words(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


# -- typed in ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("America/New_York", datetime(2026, 11, 28, 19, 0, tzinfo=UTC)),
        ("Asia/Kolkata", datetime(2026, 11, 28, 8, 30, tzinfo=UTC)),
        ("", datetime(2026, 11, 28, 14, 0, tzinfo=UTC)),
        ("../../etc/passwd", datetime(2026, 11, 28, 14, 0, tzinfo=UTC)),
        ("Atlantis/Middle", datetime(2026, 11, 28, 14, 0, tzinfo=UTC)),
        ("America", datetime(2026, 11, 28, 14, 0, tzinfo=UTC)),
    ],
)
def test_a_moment_is_in_the_time_zone_of_who_typed_it(zone, moment):
    form = DeadlineForm({"finish_by": "2026-11-28T14:00", "zone": zone})
    if moment > NOW:
        assert form.is_valid()
        assert form.cleaned_data["finish_by"] == moment
    else:
        assert form.errors["finish_by"] == [PAST]


def test_a_batch_starts_with_its_deadline(producer, draft):
    start(producer, draft, finish_by="2026-11-28T14:00", zone="Europe/Paris")
    assert Batch.objects.get().finish_by == NOW + timedelta(hours=1)


def test_a_batch_needs_no_deadline(producer, draft):
    start(producer, draft)
    assert Batch.objects.get().finish_by is None


@pytest.mark.parametrize("typed", ["2026-11-28T11:59", "2026-11-28T12:00", "soon", "2026-02-30T10:00"])
def test_a_moment_that_is_past_or_none_starts_nothing_and_says_so(producer, draft, typed):
    answer = start(producer, draft, finish_by=typed)
    assert not Batch.objects.exists()
    assert "Name " in str(answer.context["form"].errors["finish_by"])
    assert typed in answer.content.decode()


# -- warned about ------------------------------------------------------------------------------------------------------


def test_a_forecast_that_may_be_late_warns(producer, draft, monkeypatch):
    monkeypatch.setattr(Studio, "usual_s", {Capability.CLIP: (60.0, 120.0)})
    answer = start(producer, draft, finish_by="2026-11-28T12:01", estimate="1")
    assert "Pipelined may miss the deadline: it has 1 m 00 s, and takes up to " in words(answer)
    assert "may miss the deadline" not in words(start(producer, draft, finish_by="2026-11-30T12:00", estimate="1"))
    assert "may miss the deadline" not in words(start(producer, draft, estimate="1"))


# -- shown -------------------------------------------------------------------------------------------------------------


def test_the_page_shows_it_beside_the_pace(producer, batch, monkeypatch):
    workers_are_seen()
    assert "Finish by 28" not in words(page(producer, batch))
    Batch.objects.update(finish_by=NOW + timedelta(hours=2))
    assert "Finish by 28 Nov 2026, 14:00" in words(page(producer, batch))
    assert "at this pace" not in words(page(producer, batch))
    monkeypatch.setattr(eta, "_in_words_of", lambda *_: TimeLeft(words="about 3 h 10 min", seconds=11_400))
    shown = page(producer, batch)
    assert re.search(r"Finish by 28 Nov 2026, 14:00 ; at this pace 28 Nov 2026, 15:10", words(shown))
    assert shown.context["is_late"]


def test_one_that_is_past_is_said_to_be(producer, batch):
    Batch.objects.update(finish_by=NOW - timedelta(hours=1))
    assert "Finish by 28 Nov 2026, 11:00 , which is past" in words(page(producer, batch))
    Batch.objects.update(finished_at=NOW)
    assert "which is past" not in words(page(producer, batch))


def test_the_pace_is_told_to_the_minute():
    assert done_at(TimeLeft(words="", seconds=89), NOW) == NOW + timedelta(minutes=1)
    assert done_at(TimeLeft(words=""), NOW) is None


def test_the_page_of_a_video_says_why_another_provider_made_it(producer, batch):
    step = a_lost_answer(batch).step
    before = Offer.objects.exclude(pk=step.offer_id).first()
    Step.objects.filter(pk=step.pk).update(instead_of=before, gave_way=Step.GaveWay.SLOW)
    shown = words(producer.get(reverse("video_detail", args=[step.video_id])))
    assert f"instead of {before}, which is too slow for the deadline" in shown


# -- changed -----------------------------------------------------------------------------------------------------------


def test_it_is_changed_and_taken_away_on_the_page(producer, batch):
    url = reverse("batch_finish_by", args=[batch.pk])
    answer = producer.post(url, {"finish_by": "2026-11-28T15:00", "zone": "Europe/Paris"}, follow=True)
    assert said(answer) == ["The deadline is changed."]
    assert Batch.objects.get().finish_by == NOW + timedelta(hours=2)
    assert 'value="2026-11-28T14:00" data-vb-moment="2026-11-28T14:00:00+00:00"' in answer.content.decode()
    assert said(producer.post(url, {"finish_by": ""}, follow=True)) == ["There is no deadline any more."]
    assert Batch.objects.get().finish_by is None


def test_a_past_moment_changes_nothing(producer, batch):
    Batch.objects.update(finish_by=NOW + timedelta(hours=2))
    answer = producer.post(reverse("batch_finish_by", args=[batch.pk]), {"finish_by": "2020-01-01T00:00"}, follow=True)
    assert said(answer) == [PAST]
    assert Batch.objects.get().finish_by == NOW + timedelta(hours=2)


@pytest.mark.parametrize(("typed", "sentence"), [("9999-12-31T23:59", TOO_FAR), ("0001-01-01T00:00", PAST)])
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Tokyo", ""])
def test_the_first_and_the_last_moment_that_can_be_typed_change_nothing(producer, batch, typed, sentence, zone):
    values = {"finish_by": typed, "zone": zone}
    assert said(producer.post(reverse("batch_finish_by", args=[batch.pk]), values, follow=True)) == [sentence]
    assert Batch.objects.get().finish_by is None


def test_the_form_is_shown_to_those_only_who_may_use_it(client, producer, project, batch):
    assert 'name="finish_by"' in page(producer, batch).content.decode()
    client.force_login(a_user(group="viewer", project=project))
    assert 'name="finish_by"' not in page(client, batch).content.decode()
