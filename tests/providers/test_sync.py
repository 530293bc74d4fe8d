from __future__ import annotations

import pytest

from providers.models import Lane, Offer, Price, Provider
from providers.registry import all_adapters
from providers.sync import sync_providers

pytestmark = [pytest.mark.django_db]


def test_every_adapter_has_its_rows():
    sync_providers()
    for adapter in all_adapters().values():
        provider = Provider.objects.get(slug=adapter.slug)
        lanes = Lane.objects.filter(provider=provider).values_list("capability", flat=True)
        assert set(lanes) == {capability.value for capability in adapter.capabilities}
        assert Offer.objects.filter(provider=provider).count() >= len(adapter.offers)


def test_what_works_on_this_machine_is_free_and_as_wide_as_the_machine():
    sync_providers()
    for adapter in all_adapters().values():
        if adapter.local:
            assert set(Price.objects.filter(provider__slug=adapter.slug).values_list("micro", flat=True)) == {0}
            assert Provider.objects.get(slug=adapter.slug).max_in_flight


@pytest.mark.slow
def test_a_second_time_adds_nothing_and_keeps_what_was_edited():
    assert sync_providers().added
    Price.objects.update(micro=7)
    Provider.objects.update(max_in_flight=1, paused=True)
    Offer.objects.update(enabled=False)
    again = sync_providers()
    assert (again.added, again.changed) == ([], [])
    assert set(Price.objects.values_list("micro", flat=True)) == {7}
    assert set(Provider.objects.values_list("max_in_flight", "paused")) == {(1, True)}
    assert not Offer.objects.filter(enabled=True).exists()
