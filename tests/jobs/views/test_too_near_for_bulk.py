"""A deadline that is nearer than bulk may take costs the full price: pages say so before anything is bought."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from jobs.intake import drafts
from jobs.models import Batch
from jobs.offers import AT_ONCE_INSTEAD
from jobs.settings_types import BatchSettings
from providers.models import Offer
from providers.sync import sync_providers
from tests.factories import LOCAL, a_batch, a_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def scripts_in_bulk(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    sync_providers(*LOCAL, "openai")
    luna = Offer.objects.get(name="gpt-6-luna")
    return BatchSettings(scenes=2, seconds=8, offers={"script": [luna.pk]}, bulk=("script",))


@pytest.fixture
def draft_in_bulk(project, scripts_in_bulk):
    project.defaults = {"offers": scripts_in_bulk.offers, "bulk": ["script"]}
    project.save()
    return drafts.from_paste(project, name="Spring", pasted="Bread", by=a_user(project=project))


def start(client, draft, **values):
    typed = {"strategy": "pipelined", "chunk_size": "10", "seconds": "8", "scenes": "2", "crossfade_s": "0.0"}
    url = reverse("draft_start", args=[draft.token])
    return client.post(url, {**typed, "priority": "0", **values})


def soon(hours: float) -> str:
    return f"{timezone.now() + timedelta(hours=hours):%Y-%m-%dT%H:%M}"


def test_the_full_price_is_shown_before_a_deadline_lets_it_be_paid(producer, draft_in_bulk):
    in_bulk = start(producer, draft_in_bulk, finish_by=soon(48), estimate="1").context["estimate"]
    answer = start(producer, draft_in_bulk, finish_by=soon(12))
    assert not Batch.objects.exists()
    assert any(AT_ONCE_INSTEAD in sentence for sentence in answer.context["form"].non_field_errors())
    assert answer.context["estimate"] != in_bulk
    assert 'name="at_once"' in answer.content.decode()
    start(producer, draft_in_bulk, finish_by=soon(12), at_once="yes")
    assert not Batch.objects.get().in_bulk


def test_an_estimate_warns_that_a_deadline_is_too_near_for_bulk(producer, draft_in_bulk):
    answer = start(producer, draft_in_bulk, finish_by=soon(12), estimate="1")
    assert AT_ONCE_INSTEAD in answer.context["concerns"].warned
    assert AT_ONCE_INSTEAD in answer.content.decode()
    assert not answer.context["form"].errors
    answer = start(producer, draft_in_bulk, finish_by=soon(48), estimate="1")
    assert AT_ONCE_INSTEAD not in answer.content.decode()


def test_a_deadline_that_comes_near_says_what_it_costs(producer, project, scripts_in_bulk):
    batch = a_batch(project=project, settings=scripts_in_bulk)
    url = reverse("batch_finish_by", args=[batch.pk])
    assert "at once, at the full price" in producer.post(url, {"finish_by": soon(5)}, follow=True).content.decode()
    assert "at the full price" not in producer.post(url, {"finish_by": soon(50)}, follow=True).content.decode()
