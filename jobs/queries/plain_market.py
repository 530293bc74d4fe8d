"""Providers, lanes, quotas, prices and workers as plain values for a forecast. A fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings as site
from django.db.models import Count, Sum

from jobs.advance import offers_on_sale
from jobs.forecast import LaneFacts, Order, Plain, PriceFacts, ProviderFacts, QuotaFacts
from jobs.models import COUNTS, Attempt, Worker
from jobs.queries.measured import last_calls, measured_of, pickup_s_of
from jobs.queries.workers import MEDIA, UNSEEN
from jobs.routing import OfferFacts
from jobs.usual_units import usual_units
from providers import registry
from providers.base import Adapter
from providers.limits import LONG_S, Window
from providers.models import Lane, Price, Provider, Quota, Usage
from providers.types import Capability

WORDS = {
    "": "Everything",
    "script": "Scripts",
    "image": "Images",
    "clip": "Clips",
    "voiceover": "Voiceovers",
    "moderation": "Moderation",
    "render": "Renders",
}


def plain_of(order: Order, now: datetime, *, others: Sequence[Order] = ()) -> Plain:
    lanes = list(Lane.objects.select_related("provider", "offer").order_by("pk"))
    offers = offers_on_sale()
    on_sale = {lane for offer in offers for lane in (offer.lane_id, offer.bulk_lane_id)}
    used = [lane for lane in lanes if lane.pk in on_sale]
    threads, places = _workers(now)
    slugs = dict(Provider.objects.values_list("pk", "slug"))
    last = last_calls(lane for lane in used if not lane.bulk)
    return Plain(
        order=order,
        others=tuple(others),
        providers=tuple(_provider(p) for p in Provider.objects.order_by("pk")),
        lanes=tuple(_lane(lane, now) for lane in used),
        offers=tuple(offers),
        quotas=_quotas(used, now),
        prices=tuple(_price(number, price) for number, price in enumerate(Price.objects.valid(now))),
        usual=_usual(offers, order, slugs),
        usual_s=_usual_s(offers, slugs),
        measured=measured_of(last),
        threads=threads,
        places=places,
        pickup_s=pickup_s_of(last),
    )


def _usual_s(offers: Sequence[OfferFacts], slugs: Mapping[int, str]) -> dict[int, tuple[float, float]]:
    adapters = registry.all_adapters()
    usual = {
        offer.id: adapters.get(slugs[offer.provider_id], Adapter).usual_s.get(Capability(offer.capability))
        for offer in offers
    }
    return {offer: seconds for offer, seconds in usual.items() if seconds}


def _usual(offers: Sequence[OfferFacts], order: Order, slugs: Mapping[int, str]) -> dict[int, Mapping[str, int]]:
    return {
        offer.id: usual_units(
            slugs[offer.provider_id],
            offer.capability,
            offer.name,
            order.settings,
            lengths=offer.lengths,
            takes=offer.takes,
        )
        for offer in offers
    }


def _provider(provider: Provider) -> ProviderFacts:
    return ProviderFacts(
        id=provider.pk, name=provider.label, cap=provider.max_in_flight, is_here=provider.slug == MEDIA
    )


def _lane(lane: Lane, now: datetime) -> LaneFacts:
    """A pause without an end counts as none: the page says that it is there."""
    pauses = [moment for moment in (lane.paused_until, lane.broken_until, lane.provider.paused_until) if moment]
    what = lane.offer.label if lane.offer else WORDS.get(lane.capability, lane.capability.capitalize())
    return LaneFacts(
        id=lane.pk,
        provider_id=lane.provider_id,
        name=what if lane.provider.slug == MEDIA else f"{what}{' in bulk' if lane.bulk else ''} at {lane.provider}",
        capability=lane.capability,
        offer_id=lane.offer_id,
        cap=None if lane.bulk else lane.places,
        opens_s=max([0.0, *((moment - now).total_seconds() for moment in pauses)]),
        bulk_s=_window_s(lane.provider.slug) if lane.bulk else None,
        holds_thread=not lane.bulk and _answers_at_once(lane.provider.slug),
    )


def _window_s(slug: str) -> float:
    return registry.all_adapters().get(slug, Adapter).bulk_window_s


def _answers_at_once(slug: str) -> bool:
    adapter = registry.all_adapters().get(slug)
    return adapter is None or adapter.poll is Adapter.poll


def _price(number: int, price: Price) -> PriceFacts:
    return PriceFacts(
        provider_id=price.provider_id,
        unit=price.unit,
        micro=price.micro,
        per=price.per,
        beside=price.beside,
        capability=price.capability,
        offer_id=price.offer_id,
        bulk=price.bulk,
        order=number,
    )


def _quotas(lanes: Sequence[Lane], now: datetime) -> tuple[QuotaFacts, ...]:
    quotas = list(Quota.objects.filter(provider__in={lane.provider_id for lane in lanes}).order_by("pk"))
    windows = [_window(quota, lanes) for quota in quotas]
    sent = _sent(
        {quota.provider_id for quota in quotas}, [window.span_s for window in windows if window.seconds <= LONG_S], now
    )
    hours = _hours([window.span_s for window in windows if window.seconds > LONG_S], now)
    return tuple(
        QuotaFacts(
            provider_id=quota.provider_id,
            unit=quota.unit,
            window=window,
            capability=quota.capability,
            offer_id=quota.offer_id,
            used=_used(quota, hours if window.seconds > LONG_S else sent),
        )
        for quota, window in zip(quotas, windows, strict=True)
    )


def _window(quota: Quota, lanes: Sequence[Lane]) -> Window:
    covered = [lane for lane in lanes if lane.provider_id == quota.provider_id and quota.covers(lane)]
    return Window(
        amount=quota.granted,
        seconds=quota.window_s,
        guard_s=quota.guard_s(covered),
        paced=not quota.is_long and any(lane.paced for lane in covered),
    )


Sent = list[tuple[int, str, int | None, float, dict[str, int]]]  # provider, capability, offer, seconds from now, units


def _sent(providers: Iterable[int], spans_s: Sequence[float], now: datetime) -> Sent:
    if not spans_s:
        return []
    since = now - timedelta(seconds=max(spans_s))
    # Naming every provider lets the databases seek in the index of attempts, which leads with it.
    rows = Attempt.objects.filter(COUNTS, provider__in=list(providers), sent_at__gt=since).order_by("sent_at")
    fields = ("provider", "capability", "offer", "sent_at", "images", "tokens", "characters")
    return [
        (provider, capability, offer, (at - now).total_seconds(), _units(1, images, tokens, characters))
        for provider, capability, offer, at, images, tokens, characters in rows.values_list(*fields)
    ]


def _hours(spans_s: Sequence[float], now: datetime) -> Sent:
    """By the hour: as if all of an hour had been used at its end."""
    if not spans_s:
        return []
    since = now - timedelta(seconds=max(spans_s), hours=1)
    rows = Usage.objects.filter(hour__gt=since).values_list("provider", "capability", "offer", "hour")
    sums = rows.annotate(r=Sum("requests"), i=Sum("images"), t=Sum("tokens"), c=Sum("characters")).order_by("hour")
    return [
        (provider, capability, offer, min(0.0, (hour - now).total_seconds() + 3600), _units(r, i, t, c))
        for provider, capability, offer, hour, r, i, t, c in sums
    ]


def _units(requests: int, images: int, tokens: int, characters: int) -> dict[str, int]:
    return {"requests": requests, "images": images, "tokens": tokens, "characters": characters}


def _used(quota: Quota, sent: Sent) -> tuple[tuple[float, int], ...]:
    return tuple(
        (at, units[quota.unit])
        for provider, capability, offer, at, units in sent
        if provider == quota.provider_id and quota.matches(capability, offer) and units[quota.unit]
    )


def _workers(now: datetime) -> tuple[int, int]:
    """(threads, places) of all machines; of one, before any is seen. A draining one begins nothing new."""
    seen = Worker.objects.filter(ended_at=None, draining=False, seen_at__gt=now - UNSEEN)
    count = dict(seen.values_list("role").annotate(n=Count("pk")).order_by())
    threads = site.CALL_THREADS * max(1, count.get("generation", 0))
    return threads, site.MEDIA_PLACES * max(1, count.get("media", 0))
