"""Which models a batch is made with: what speaks against them before it starts, and how they are named to people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from django.utils import timezone

from jobs.routing import CAPABILITY_OF, is_in_bulk, wishes
from jobs.settings_types import BatchSettings
from jobs.states import Stage
from providers import credentials, registry
from providers.models import Offer, Price, price_for
from providers.types import Capability

SOON = timedelta(days=60)
CHOOSABLE = (Stage.SCRIPT, Stage.VOICEOVER, Stage.IMAGE, Stage.CLIP, Stage.TOPIC_MODERATION, Stage.TEXT_MODERATION)


AT_ONCE_INSTEAD = "The deadline is nearer than bulk may take: everything is made at once, at the full price."


class LaunchRefused(Exception):
    """A batch that could not be made with its models; one sentence each."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


@dataclass(slots=True)
class Concerns:
    refused: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)


def concerns(settings: BatchSettings, today: date) -> Concerns:
    """What was chosen and cannot be used any more, or not for long."""
    found = Concerns()
    offers = Offer.objects.select_related("provider", "successor__provider").in_bulk(sorted(set(_wished(settings))))
    for key in settings.offers:
        chosen = [offers.get(wish) for wish in wishes(key, settings.offers)]
        usable = [offer for offer in chosen if offer and not trouble_with(offer, today)]
        for offer in chosen:
            sentence = trouble_with(offer, today) if offer else "A model that was chosen is not there any more."
            if sentence:
                is_told = bool(usable) and not (offer and is_retired(offer, today))  # another one takes its place
                (found.warned if is_told else found.refused).append(sentence)
            elif offer and offer.retires_on and offer.retires_on <= today + SOON:
                found.warned.append(f"{offer} is switched off on {_day(offer.retires_on)}.{_instead(offer)}")
        if usable and is_in_bulk(key.partition(":")[0], settings):
            _check_bulk(usable[0], found)
    found.warned += _ending(settings.voice, today)
    return found


def _check_bulk(offer: Offer, found: Concerns) -> None:
    """What is not sold in bulk is made at once, at the full price: that is to be known before."""
    if not sold_in_bulk(offer):
        found.warned.append(f"{offer} is not sold in bulk: it is made at once, at the full price.")
    elif not has_bulk_price(offer, timezone.now()):
        found.refused.append(f"{offer} has no price in bulk: an admin can enter one, or do without bulk.")


def check_launch(settings: BatchSettings, today: date) -> None:
    """Raises LaunchRefused."""
    if sentences := concerns(settings, today).refused:
        raise LaunchRefused(sentences)


def _ending(voice: str, today: date) -> Iterator[str]:
    """A voice that its vendor takes away, as far as that is known: nothing is refused for it."""
    for adapter in registry.all_adapters().values():
        day = adapter.voices_end.get(voice)
        if day and day <= today + SOON:
            labels = (label for spec in adapter.offers for _, name, label in spec.voices if name == voice)
            ends = f"{'ends' if day >= today else 'ended'} on {_day(day)}"
            yield f"The voice {next(labels, voice)} of {adapter.label} {ends}, it is said. Choose another."


def trouble_with(offer: Offer, today: date) -> str:
    """Why it cannot be used, and what to do; "" when it can."""
    adapter = registry.all_adapters().get(offer.provider.slug)
    if is_retired(offer, today):
        assert offer.retires_on is not None
        return f"{offer} was switched off on {_day(offer.retires_on)}.{_instead(offer) or ' Choose another model.'}"
    if not offer.enabled:
        return f"{offer} is switched off here: an admin can enable the offer."
    if not offer.provider.enabled:
        return f"{offer.provider} is switched off here: an admin can enable the provider."
    if adapter is not None and not credentials.is_set(adapter):
        return f"{offer} needs a key: set {adapter.key_env} in the environment and start again."
    return ""


def in_time(settings: BatchSettings, finish_by: datetime | None, now: datetime) -> BatchSettings:
    """Without bulk where the deadline is nearer than that may take."""
    if not settings.bulk or not is_nearer_than_bulk(finish_by, now):
        return settings
    return replace(settings, bulk=())


def is_nearer_than_bulk(finish_by: datetime | None, now: datetime) -> bool:
    """Than the longest that a vendor takes for a bulk job."""
    windows = (adapter.bulk_window_s for adapter in registry.all_adapters().values() if adapter.bulk_capabilities)
    return finish_by is not None and now < finish_by < now + timedelta(seconds=max(windows, default=0.0))


def sold_in_bulk(offer: Offer) -> bool:
    """Its vendor takes such requests in bulk; at what price, is another question."""
    adapter = registry.all_adapters().get(offer.provider.slug)
    return adapter is not None and Capability(offer.capability) in adapter.bulk_capabilities


def has_bulk_price(offer: Offer, now: datetime) -> bool:
    prices = Price.objects.valid(now).filter(provider=offer.provider_id)
    return price_for(prices, offer.capability, offer.pk, bulk=True) is not None


def stages_in_bulk() -> list[Stage]:
    """Stages that some model that can be used just now makes in bulk."""
    usable = Offer.objects.usable().select_related("provider")
    kinds = {offer.capability for offer in usable if sold_in_bulk(offer)}
    return [stage for stage in CHOOSABLE if CAPABILITY_OF[stage] in kinds]


def is_retired(offer: Offer, today: date) -> bool:
    return offer.retires_on is not None and offer.retires_on <= today


def choices_for(stage: Stage, kept: set[int], today: date) -> list[tuple[int, str]]:
    """(id, label) of the models for a stage: those that can be used, and those that were chosen before."""
    usable = set(Offer.objects.usable().values_list("pk", flat=True))
    found = []
    offers = Offer.objects.select_related("provider").filter(capability=CAPABILITY_OF[stage])
    for offer in offers.order_by("provider__label", "label"):
        if offer.pk in usable:
            found.append((offer.pk, str(offer)))
        elif offer.pk in kept:
            found.append((offer.pk, f"{offer} – cannot be used now"))
    return found


def most_takes() -> int:
    """The most candidates for a picture that any usable model gives at once."""
    usable = Offer.objects.usable().filter(capability=Capability.IMAGE)
    return max(usable.values_list("takes", flat=True), default=1)


def _wished(settings: BatchSettings) -> Iterator[int]:
    for key in settings.offers:
        yield from wishes(key, settings.offers)


def _instead(offer: Offer) -> str:
    return f" Its successor is {offer.successor}: choose that." if offer.successor else ""


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
