"""Rows of what adapters declare and the catalogue says. What an admin has edited stays, and the difference is told.

Each row keeps what was last written into it (`catalogue`). A field that still holds that follows the catalogue; one
that does not was edited. A row that an admin has deleted stays away: the provider remembers which were made once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from . import catalogue, registry
from .base import Adapter
from .catalogue import Catalogue, OfferEntry, PriceEntry
from .models import Lane, Offer, Price, Provider, Quota
from .offer_spec import OfferSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A value of an admin's that is not the catalogue's."""

    row: str
    name: str
    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"{self.row}: {self.name} is {self.ours} here, and {self.theirs} in the catalogue"


@dataclass(slots=True)
class Synced:
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


def sync_providers(*slugs: str) -> Synced:
    """Adds what is missing, brings up to date what nobody edited. Running it twice changes nothing more.

    Of all providers, unless some are named.
    """
    result = Synced()
    for adapter in registry.all_adapters().values():
        if not slugs or adapter.slug in slugs:
            with transaction.atomic():
                _Sync(adapter, result, timezone.now()).run()
    return result


def differences(provider: Provider) -> list[Difference]:
    """Where an admin's values differ from the catalogue's today; writes nothing."""
    adapter = registry.all_adapters().get(provider.slug)
    if adapter is None:
        return []
    result = Synced()
    _Sync(adapter, result, timezone.now(), looks_only=True).run()
    return result.differences


class _Sync:
    def __init__(self, adapter: type[Adapter], result: Synced, now: datetime, *, looks_only: bool = False) -> None:
        self.adapter, self.result, self.now, self.looks_only = adapter, result, now, looks_only
        self.sold: Catalogue | None = catalogue.of(adapter.slug)

    def run(self) -> None:
        self.provider, is_new = self._provider()
        if is_new:
            self.result.added.append(f"provider {self.provider}")
        self.seen = set(self.provider.synced)
        if self.sold:
            self._follow(self.provider, {"max_in_flight": self.sold.max_in_flight})
        offers = self._offers()
        self._lanes(offers)
        self._quotas(offers)
        self._prices(offers)
        if self.seen != set(self.provider.synced) and not self.looks_only:
            self.provider.synced = sorted(self.seen)
            self.provider.save(update_fields=["synced"])

    def _provider(self) -> tuple[Provider, bool]:
        if self.looks_only:
            return Provider.objects.get(slug=self.adapter.slug), False
        local = (os.cpu_count() or 2) if self.adapter.local else None
        return Provider.objects.select_for_update(no_key=True).get_or_create(
            slug=self.adapter.slug,
            defaults={
                "label": self.adapter.label,
                "max_in_flight": local,
                "catalogue": {"max_in_flight": local},
                "enabled": not self.adapter.off_because,
            },
        )

    # -- one kind of row after the other ---------------------------------------------------------

    def _offers(self) -> dict[tuple[str, str], Offer]:
        rows = {(offer.capability, offer.name): offer for offer in Offer.objects.filter(provider=self.provider)}
        specs = {(spec.capability.value, spec.name): spec for spec in self.adapter.offers}
        entries = {(entry.capability, entry.name): entry for entry in self.sold.offers} if self.sold else {}
        for key in [*specs, *(key for key in entries if key not in specs)]:
            values = _offer_values(specs.get(key), entries.get(key))
            row, is_first = rows.get(key), self._is_first(f"offer {key}")
            if row is not None:
                self._follow(row, values)
            elif is_first:
                made = Offer(provider=self.provider, capability=key[0], name=key[1], catalogue=_stored(values))
                rows[key] = self._make(made, values)
        for key, entry in entries.items():
            successor = rows.get((key[0], entry.successor)) if entry.successor else None
            if key in rows:
                self._follow(rows[key], {"successor_id": successor.pk if successor else None})
        return rows

    def _lanes(self, offers: Mapping[tuple[str, str], Offer]) -> None:
        self._bulk_lanes()
        mine = Lane.objects.filter(provider=self.provider, bulk=False)
        rows = {(lane.capability, lane.offer_id): lane for lane in mine}
        caps: dict[tuple[str, str], int | None] = {(kind.value, ""): None for kind in self.adapter.capabilities}
        if self.sold:
            caps |= {(entry.capability, entry.offer): entry.max_in_flight for entry in self.sold.lanes}
        for (capability, name), cap in sorted(caps.items()):
            offer = offers.get((capability, name))
            if name and offer is None:
                continue
            values = {"max_in_flight": cap}
            row, is_first = (
                rows.get((capability, offer.pk if offer else None)),
                self._is_first(f"lane {capability} {name}"),
            )
            if row is not None:
                self._follow(row, values)
            elif is_first:
                lane = Lane(provider=self.provider, capability=capability, offer=offer, catalogue=values)
                lane.queues_ahead = self.adapter.queues_ahead
                self._make(lane, values)

    def _bulk_lanes(self) -> None:
        for capability in sorted(kind.value for kind in self.adapter.bulk_capabilities):
            kind: dict[str, Any] = {"capability": capability, "bulk": True}
            if self._is_first(f"lane {capability} in bulk") and not self.provider.lane_set.filter(**kind).exists():
                self._make(Lane(provider=self.provider, **kind), {})

    def _quotas(self, offers: Mapping[tuple[str, str], Offer]) -> None:
        for entry in self.sold.quotas if self.sold else ():
            offer = offers.get((entry.capability, entry.offer))
            if entry.offer and offer is None:
                continue
            values = {"amount": entry.amount, "strict": entry.strict}
            kind: dict[str, Any] = {"capability": entry.capability, "offer": offer, "unit": entry.unit}
            row = Quota.objects.filter(provider=self.provider, window_s=entry.window_s, **kind).first()
            is_first = self._is_first(f"quota {entry.capability} {entry.offer} {entry.unit} {entry.window_s:g}")
            if row is not None:
                self._follow(row, values)
            elif is_first:
                quota = Quota(provider=self.provider, window_s=entry.window_s, catalogue=values, **kind)
                self._make(quota, values)

    def _prices(self, offers: Mapping[tuple[str, str], Offer]) -> None:
        """A price is never rewritten, as attempts point at it: a new one is valid from now on."""
        if self.adapter.local:
            for capability in sorted(kind.value for kind in self.adapter.capabilities):
                self._price(capability, None, {"unit": "calls", "micro": 0, "per": 1, "beside": {}})
        for entry in self.sold.offers if self.sold else ():
            offer = offers.get((entry.capability, entry.name))
            if entry.price and offer:
                self._price(entry.capability, offer, _price_values(entry.price))
                in_bulk = self.sold.in_bulk(entry.price) if self.sold else None
                if in_bulk and entry.capability in self.adapter.bulk_capabilities:
                    self._price(entry.capability, offer, _price_values(in_bulk), bulk=True)

    def _price(self, capability: str, offer: Offer | None, values: dict[str, Any], *, bulk: bool = False) -> None:
        kind: dict[str, Any] = {"provider": self.provider, "capability": capability, "offer": offer, "bulk": bulk}
        latest = Price.objects.filter(**kind).order_by("-valid_from", "-pk").first()
        is_first = self._is_first(f"price {capability} {offer.name if offer else ''}{' in bulk' if bulk else ''}")
        if latest is None:
            if is_first:
                price = Price(catalogue=values, **kind)
                self._make(price, {**values, "valid_from": self.now})
            return
        ours = {name: getattr(latest, name) for name in values}
        if ours == values:
            return
        if ours == latest.catalogue:
            price = Price(catalogue=values, **kind)
            self._make(price, {**values, "valid_from": self.now}, told=self.result.changed)
            return
        for name in (name for name in values if ours[name] != values[name]):
            self._differs(latest, name, ours[name], values[name])

    # -- one row ---------------------------------------------------------------------------------

    def _is_first(self, key: str) -> bool:
        """False for a row that was made once: then an admin has deleted it."""
        is_first = key not in self.seen
        self.seen.add(key)
        return is_first

    def _make(self, row: Any, values: Mapping[str, Any], told: list[str] | None = None) -> Any:
        for name, value in values.items():
            setattr(row, name, value)
        if self.looks_only:
            return row
        row.save()
        (self.result.added if told is None else told).append(f"{row._meta.verbose_name} {row}")
        return row

    def _follow(self, row: Any, values: Mapping[str, Any]) -> None:
        """Fields that hold what the catalogue said last time get what it says now."""
        before, news = dict(row.catalogue), {}
        for name, theirs in values.items():
            ours = _plain(getattr(row, name))
            if ours == _plain(theirs):
                continue
            if ours == before.get(name, _default(row, name)):
                news[name] = theirs
            else:
                self._differs(row, name, ours, theirs)
        if self.looks_only:
            return
        for name, theirs in news.items():
            setattr(row, name, theirs)
        row.catalogue = {**before, **_stored(values)}
        if news or row.catalogue != before:
            row.save(update_fields=[*news, "catalogue"])
        if news:
            self.result.changed.append(f"{row._meta.verbose_name} {row}: {', '.join(news)}")

    def _differs(self, row: Model, name: str, ours: Any, theirs: Any) -> None:
        words = "nothing" if ours in (None, "", [], {}) else str(ours)
        other = "nothing" if theirs in (None, "", [], {}) else str(theirs)
        self.result.differences.append(
            Difference(row=f"{row._meta.verbose_name} {row}".capitalize(), name=name, ours=words, theirs=other)
        )


def _offer_values(spec: OfferSpec | None, entry: OfferEntry | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if spec:
        values = {
            "label": spec.label,
            "lengths": list(spec.lengths),
            "voices": [list(voice) for voice in spec.voices],
            "takes": spec.takes,
            "tier": spec.tier,
        }
    if entry:
        values["retires_on"] = entry.retires_on
        if entry.label or not spec:
            values["label"] = entry.label or entry.name
    return values


def _price_values(price: PriceEntry) -> dict[str, Any]:
    return {"unit": price.unit, "micro": price.micro, "per": price.per, "beside": dict(price.beside)}


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """As it stands in JSON."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _default(row: Model, name: str) -> Any:
    field: Any = row._meta.get_field(name.removesuffix("_id"))
    return _plain(field.get_default())
