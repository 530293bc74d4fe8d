"""What a list will make, and about what that costs, before anything is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils import timezone

from jobs.routing import CAPABILITY_OF
from jobs.settings_types import BatchSettings, TopicRow, merged
from jobs.states import Stage
from providers.models import Offer, Price, price_for
from providers.pricing import amount

CHARACTERS_PER_S = 15  # of narration, at the pace at which the languages here are spoken
TOKENS_PER_SCENE = 250  # of a script: narration, picture and their wrapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    videos: int
    scenes: int
    seconds: int
    micro: int
    unpriced: tuple[str, ...]  # stages for which nobody has a price: nothing would be sent for them


def estimate(topics: Iterable[TopicRow], settings: BatchSettings) -> Estimate:
    each = [merged(settings, topic.overrides) for topic in topics]
    scenes = sum(one.scenes for one in each)
    seconds = sum(one.seconds for one in each)
    micro, unpriced = 0, []
    for stage, counts in planned_units(videos=len(each), scenes=scenes, seconds=seconds, settings=settings).items():
        cost = _cost(stage, counts, settings)
        if cost is None:
            unpriced.append(Stage(stage).label.lower())
        else:
            micro += cost
    return Estimate(videos=len(each), scenes=scenes, seconds=seconds, micro=micro, unpriced=tuple(unpriced))


def planned_units(*, videos: int, scenes: int, seconds: int, settings: BatchSettings) -> dict[str, Counter[str]]:
    """What each stage will be billed for when every first try is good."""
    characters, tokens = seconds * CHARACTERS_PER_S, scenes * TOKENS_PER_SCENE
    planned = {
        Stage.SCRIPT: Counter(calls=videos, requests=videos, tokens=tokens),
        Stage.VOICEOVER: Counter(calls=scenes, requests=scenes, characters=characters, seconds=seconds),
        Stage.IMAGE: Counter(calls=scenes, requests=scenes, images=scenes),
        Stage.CLIP: Counter(calls=scenes, requests=scenes, seconds=seconds),
        Stage.RENDER: Counter(calls=videos, requests=videos, seconds=seconds),
    }
    if settings.moderation:
        planned[Stage.TOPIC_MODERATION] = Counter(calls=videos, requests=videos)
        planned[Stage.TEXT_MODERATION] = Counter(calls=videos, requests=videos, characters=characters)
    return {str(stage): counts for stage, counts in planned.items()}


def _cost(stage: str, counts: Mapping[str, int], settings: BatchSettings) -> int | None:
    """None when nobody offers the stage, or the offer has no price."""
    offers = Offer.objects.filter(capability=CAPABILITY_OF[stage], enabled=True, provider__enabled=True).order_by("pk")
    wish = settings.offers.get(stage)
    offer = (offers.filter(pk=wish).first() if wish else None) or offers.first()
    if offer is None:
        return None
    prices = Price.objects.valid(timezone.now()).filter(provider=offer.provider_id)
    price = price_for(prices, offer.capability, offer.pk)
    return None if price is None else amount(counts.get(price.unit, 0), price.micro, price.per)
