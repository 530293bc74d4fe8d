from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse
from django_q.models import Failure, OrmQ, Schedule, Success

from jobs.models import Attempt, Decision, LedgerEntry, Review, Step
from providers.models import Lane, Price, Provider, Quota
from providers.sync import sync_providers
from qc.models import Profile

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client):
    client.force_login(User.objects.create_superuser("boss", password="a long enough word"))
    return client


@pytest.mark.parametrize("model", [Schedule, OrmQ, Success, Failure])
def test_the_queue_is_not_in_the_admin(model):
    assert not admin.site.is_registered(model)


@pytest.mark.parametrize("model", sorted(admin.site._registry, key=str))
def test_every_list_and_form_opens(boss, model):
    sync_providers()
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert boss.get(reverse(f"{name}_changelist")).status_code == 200
    row = model._default_manager.first()
    if row is not None:
        assert boss.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


@pytest.mark.parametrize("model", [Attempt, LedgerEntry, Decision, Review, Step])
def test_what_happened_cannot_be_changed(boss, model):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert boss.get(reverse(f"{name}_add")).status_code == 403


@pytest.mark.parametrize("model", [Provider, Lane, Quota, Price, Profile])
def test_what_operators_change_is_changed_in_the_list(model):
    assert admin.site._registry[model].list_editable


def test_a_quota_is_added_and_said_in_words(boss):
    sync_providers()
    provider = Provider.objects.get(slug="studio")
    boss.post(
        reverse("admin:providers_quota_add"),
        {"provider": provider.pk, "capability": "image", "offer": "", "amount": 50, "unit": "images", "window_s": 60},
    )
    assert Quota.objects.get().amount == 50
    page = boss.get(reverse("admin:providers_quota_changelist")).content.decode()
    assert "at most 50 images in any minute" in page


def test_an_offer_of_another_provider_is_refused_with_a_sentence(boss):
    sync_providers()
    studio, machine = Provider.objects.get(slug="studio"), Provider.objects.get(slug="this_machine")
    answer = boss.post(
        reverse("admin:providers_quota_add"),
        {
            "provider": machine.pk,
            "capability": "",
            "offer": studio.offers.first().pk,
            "amount": 1,
            "unit": "requests",
            "window_s": 60,
        },
    )
    assert "This offer belongs to Studio" in answer.content.decode()
    assert not Quota.objects.exists()


def test_a_price_below_nothing_is_refused_with_what_to_write_instead(boss):
    sync_providers()
    price = Price.objects.first()
    row = {"provider": price.provider_id, "capability": price.capability, "unit": "calls", "micro": -5, "per": 0,
           "valid_from_0": "2026-01-01", "valid_from_1": "00:00"}  # fmt: skip
    page = boss.post(reverse("admin:providers_price_change", args=[price.pk]), row).content.decode()
    assert "A price is 0 or more. What costs nothing has the price 0." in page
    row["micro"] = 5
    page = boss.post(reverse("admin:providers_price_change", args=[price.pk]), row).content.decode()
    assert "A price is for 1 unit or more." in page
    assert "price_is_sane" not in page
