"""The catalogue: read strictly, made into rows, and never over what an admin has edited."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.utils import timezone

from providers import catalogue, registry, sync
from providers.base import Adapter
from providers.catalogue import CatalogueError, read
from providers.models import Lane, Offer, Price, Provider, Quota
from providers.offer_spec import OfferSpec
from providers.types import Capability

FIRST = """
checked = 2026-09-01
sources = ["https://acme.example/prices"]
max_in_flight = 4
[[lanes]]
capability = "clip"
max_in_flight = 2
[[quotas]]
capability = "clip"
offer = "one"
unit = "requests"
amount = 50
window_s = 86400
[[offers]]
capability = "clip"
name = "one"
price = { unit = "credits", micro = 10_000, beside = { seconds = 5 } }
[[offers]]
capability = "clip"
name = "old"
label = "Old one"
retires_on = 2026-07-30
successor = "one"
"""


class Acme(Adapter):
    slug = "acme"
    label = "Acme"
    capabilities = frozenset({Capability.CLIP})
    offers = (OfferSpec(capability=Capability.CLIP, name="one", label="One", lengths=(5, 10), tier="hero"),)


@pytest.fixture
def says(monkeypatch):
    """What the catalogue says of Acme, from now on."""
    monkeypatch.setattr(registry, "all_adapters", lambda: {"acme": Acme})
    texts = {}
    monkeypatch.setattr(catalogue, "of", lambda slug: read("acme.toml", texts["acme"]))

    def say(text):
        texts["acme"] = text

    say(FIRST)
    return say


@pytest.mark.django_db
def test_rows_are_made_of_what_it_says(says):
    sync.sync_providers()
    provider = Provider.objects.get()
    one, old = Offer.objects.get(name="one"), Offer.objects.get(name="old")
    assert provider.max_in_flight == 4
    assert (one.lengths, one.tier) == ([5, 10], "hero")
    assert (old.label, old.retires_on, old.successor) == ("Old one", date(2026, 7, 30), one)
    assert Lane.objects.get().max_in_flight == 2
    quota, price = Quota.objects.get(), Price.objects.get()
    assert (quota.offer, quota.amount, quota.window_s) == (one, 50, 86400)
    assert (price.offer, price.unit, price.micro, price.beside) == (one, "credits", 10_000, {"seconds": 5})


@pytest.mark.django_db
def test_a_second_time_changes_nothing(says):
    sync.sync_providers()
    again = sync.sync_providers()
    assert (again.added, again.changed, again.differences) == ([], [], [])


@pytest.mark.django_db
def test_what_nobody_edited_follows_and_a_price_gets_a_new_row(says):
    sync.sync_providers()
    says(FIRST.replace("amount = 50", "amount = 70").replace("10_000", "12_000").replace("2026-07-30", "2026-08-01"))
    changed = sync.sync_providers()
    assert Quota.objects.get().amount == 70
    assert Offer.objects.get(name="old").retires_on == date(2026, 8, 1)
    assert list(Price.objects.order_by("pk").values_list("micro", flat=True)) == [10_000, 12_000]
    assert changed.differences == []
    assert len(changed.changed) == 3


@pytest.mark.django_db
def test_what_was_edited_stays_and_the_difference_is_told(says):
    sync.sync_providers()
    Quota.objects.update(amount=500)
    Lane.objects.update(max_in_flight=5)
    Price.objects.update(micro=9_000)
    says(FIRST.replace("amount = 50", "amount = 70"))
    told = sync.sync_providers()
    assert (Quota.objects.get().amount, Lane.objects.get().max_in_flight, Price.objects.get().micro) == (500, 5, 9_000)
    assert {(one.name, one.ours, one.theirs) for one in told.differences} == {
        ("amount", "500", "70"),
        ("max_in_flight", "5", "2"),
        ("micro", "9000", "10000"),
    }
    assert sync.differences(Provider.objects.get()) == told.differences


@pytest.mark.django_db
def test_one_edited_field_does_not_keep_the_others_back(says):
    sync.sync_providers()
    Offer.objects.filter(name="old").update(label="My name for it")
    says(FIRST.replace("2026-07-30", "2026-08-01"))
    sync.sync_providers()
    old = Offer.objects.get(name="old")
    assert (old.label, old.retires_on) == ("My name for it", date(2026, 8, 1))


@pytest.mark.django_db
def test_a_row_that_was_deleted_stays_away(says):
    sync.sync_providers()
    Quota.objects.all().delete()
    sync.sync_providers()
    assert not Quota.objects.exists()


@pytest.mark.django_db
def test_an_own_price_is_not_overruled(says):
    sync.sync_providers()
    one = Offer.objects.get(name="one")
    later = timezone.now() + timedelta(seconds=1)
    kind = {"provider": one.provider, "capability": "clip", "offer": one}
    Price.objects.create(**kind, unit="credits", micro=8_000, valid_from=later)
    told = sync.sync_providers()
    assert Price.objects.count() == 2
    assert "micro" in {one.name for one in told.differences}


def test_every_shipped_file_can_be_read_and_names_offers_of_its_adapter():
    for adapter in registry.all_adapters().values():
        sold = catalogue.of(adapter.slug)
        if sold is None:
            continue
        assert sold.sources
        declared = {(spec.capability.value, spec.name) for spec in adapter.offers}
        today = date(2026, 11, 28)
        priced = {(o.capability, o.name) for o in sold.offers if o.price}
        alive = {(o.capability, o.name) for o in sold.offers if o.retires_on is None or o.retires_on > today}
        assert declared <= priced, f"{adapter.slug}: no price, no call"
        dying = {(o.capability, o.name) for o in sold.offers if o.retires_on}
        assert alive - declared <= priced | dying, f"{adapter.slug}: on sale, without a price"
        for offer in sold.offers:
            assert offer.retires_on is None or offer.retires_on > today or offer.successor or offer.label


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (FIRST.replace("checked = 2026-09-01", ""), "checked"),
        (FIRST.replace('unit = "requests"', 'unit = "videos"'), "makes no sense"),
        (FIRST.replace("amount = 50", "amount = 0"), "makes no sense"),
        (FIRST.replace("amount = 50", "amout = 50"), "amout"),
        (FIRST.replace('capability = "clip"\nmax', 'capability = "film"\nmax'), "film"),
        (FIRST.replace('successor = "one"', 'successor = "none"'), "none"),
        (FIRST.replace("micro = 10_000", "micro = -1"), "price"),
        (FIRST.replace('name = "old"', 'name = "one"'), "twice"),
        (FIRST + "[[", "TOML"),
    ],
)
def test_a_typing_error_is_a_sentence_with_the_file(wrong, said):
    with pytest.raises(CatalogueError, match=r"acme\.toml") as caught:
        read("acme.toml", wrong)
    assert said in str(caught.value)


@pytest.mark.django_db
def test_what_an_admin_looks_at_is_written_by_nobody(says):
    sync.sync_providers()
    says(FIRST.replace("amount = 50", "amount = 70"))
    assert sync.differences(Provider.objects.get()) == []
    assert Quota.objects.get().amount == 50


@pytest.mark.django_db
def test_rows_from_before_the_catalogue_stay_away_too_once_they_are_deleted(says):
    sync.sync_providers()
    Provider.objects.update(synced=[])
    sync.sync_providers()
    Quota.objects.all().delete()
    sync.sync_providers()
    assert not Quota.objects.exists()
