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
    added = []
    for capability in sorted(adapter.capabilities):
        lane, is_new = Lane.objects.get_or_create(provider=provider, capability=capability.value, offer=None)
        if is_new:
            added.append(f"lane {lane}")
            if adapter.local:
                Price.objects.get_or_create(
                    provider=provider, capability=capability.value, offer=None, defaults={"unit": "calls", "micro": 0}
                )
    return added


def _offers(provider: Provider, adapter: type[Adapter]) -> list[str]:
    added = []
    for spec in adapter.offers:
        offer, is_new = Offer.objects.get_or_create(
            provider=provider,
            capability=spec.capability.value,
            name=spec.name,
            defaults={"label": spec.label, "lengths": list(spec.lengths), "voices": list(spec.voices)},
        )
        if is_new:
            added.append(f"offer {offer}")
    return added
