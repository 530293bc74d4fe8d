"""What a list will make, and about what that costs, before anything is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils import timezone

from jobs.offers import sold_in_bulk
from jobs.routing import CAPABILITY_OF, hero_clips, is_in_bulk, wishes
from jobs.settings_types import BatchSettings, TopicRow, merged
from jobs.states import Stage
from jobs.usual_units import usual_units
from providers.models import Offer, Price, price_for
from providers.pricing import cost

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
        heroes = sum(hero_clips(one.offers, one.scenes) for one in each) if stage == Stage.CLIP else 0
        own = Counter({unit: n * heroes // scenes for unit, n in counts.items() if heroes})
        parts = [(part, hero) for part, hero in ((counts - own, False), (own, True)) if part]
        costs = [_cost(stage, part, settings, hero=hero) for part, hero in parts]
        if None in costs:
            unpriced.append(Stage(stage).label.lower())
        else:
            micro += sum(filter(None, costs))
    return Estimate(videos=len(each), scenes=scenes, seconds=seconds, micro=micro, unpriced=tuple(unpriced))


def planned_units(*, videos: int, scenes: int, seconds: int, settings: BatchSettings) -> dict[str, Counter[str]]:
    """What each stage will be billed for when every first try is good."""
    characters, tokens = seconds * CHARACTERS_PER_S, scenes * TOKENS_PER_SCENE
    planned = {
        Stage.SCRIPT: Counter(calls=videos, requests=videos, tokens=tokens),
        Stage.VOICEOVER: Counter(calls=scenes, requests=scenes, characters=characters, seconds=seconds),
        Stage.IMAGE: Counter(calls=scenes, requests=scenes, images=scenes * settings.takes),
        Stage.CLIP: Counter(calls=scenes, requests=scenes, seconds=seconds),
        Stage.RENDER: Counter(calls=videos, requests=videos, seconds=seconds),
    }
    if settings.moderation:
        planned[Stage.TOPIC_MODERATION] = Counter(calls=videos, requests=videos)
        planned[Stage.TEXT_MODERATION] = Counter(calls=videos, requests=videos, characters=characters)
    return {str(stage): counts for stage, counts in planned.items()}


def _cost(stage: str, counts: Mapping[str, int], settings: BatchSettings, *, hero: bool) -> int | None:
    """None when nobody offers the stage, or the offer has no price."""
    offers = Offer.objects.usable().select_related("provider").filter(capability=CAPABILITY_OF[stage])
    wished = wishes(stage, settings.offers, hero=hero)
    usable = {offer.pk: offer for offer in offers}
    offer = next((usable[wish] for wish in wished or usable if wish in usable), None)
    if offer is None:
        return None
    prices = Price.objects.valid(timezone.now()).filter(provider=offer.provider_id)
    in_bulk = is_in_bulk(stage, settings) and sold_in_bulk(offer)
    price = price_for(prices, offer.capability, offer.pk, bulk=in_bulk)
    if price is None:
        return None
    each = usual_units(
        offer.provider.slug,
        offer.capability,
        offer.name,
        settings,
        lengths=tuple(sorted(offer.lengths)),
        takes=offer.takes,
    )
    if counts.get("images"):
        counts = {**counts, "images": counts["calls"] * min(settings.takes, offer.takes)}
    own = {unit: most * counts["calls"] for unit, most in each.items() if unit not in counts}
    return cost(price, {**counts, **own})
