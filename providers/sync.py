"""The rows an adapter declares, made where they are missing. What an admin has edited stays as it is."""

from __future__ import annotations

import os

from django.db import transaction

from . import registry
from .base import Adapter
from .models import Lane, Offer, Price, Provider


@transaction.atomic
def sync_providers() -> list[str]:
    """Adds missing providers, lanes, offers and, for local ones, prices of 0. Returns what was added, in words."""
    added: list[str] = []
    for adapter in registry.all_adapters().values():
        provider, is_new = Provider.objects.get_or_create(
            slug=adapter.slug,
            defaults={"label": adapter.label, "max_in_flight": (os.cpu_count() or 2) if adapter.local else None},
        )
        if is_new:
            added.append(f"provider {provider}")
        added += _lanes(provider, adapter) + _offers(provider, adapter)
    return added


def _lanes(provider: Provider, adapter: type[Adapter]) -> list[str]:
    there = set(Lane.objects.filter(provider=provider, offer=None).values_list("capability", flat=True))
    missing = sorted({capability.value for capability in adapter.capabilities} - there)
    lanes = [Lane(provider=provider, capability=each, queues_ahead=adapter.queues_ahead) for each in missing]
    Lane.objects.bulk_create(lanes, ignore_conflicts=True)  # another machine may start in the same moment
    if adapter.local and missing:
        priced = set(Price.objects.filter(provider=provider, offer=None).values_list("capability", flat=True))
        free = [Price(provider=provider, capability=c, unit="calls", micro=0) for c in missing if c not in priced]
        Price.objects.bulk_create(free)
    return [f"lane {lane}" for lane in lanes]


def _offers(provider: Provider, adapter: type[Adapter]) -> list[str]:
    there = set(Offer.objects.filter(provider=provider).values_list("capability", "name"))
    offers = [
        Offer(
            provider=provider,
            capability=spec.capability.value,
            name=spec.name,
            label=spec.label,
            lengths=list(spec.lengths),
            voices=list(spec.voices),
        )
        for spec in adapter.offers
        if (spec.capability.value, spec.name) not in there
    ]
    Offer.objects.bulk_create(offers, ignore_conflicts=True)
    return [f"offer {offer}" for offer in offers]
