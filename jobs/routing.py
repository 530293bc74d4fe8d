"""Which offer makes a step. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from providers.types import Capability

from .settings_types import BatchSettings
from .states import Stage

CAPABILITY_OF: dict[str, Capability] = {
    Stage.TOPIC_MODERATION: Capability.MODERATION,
    Stage.SCRIPT: Capability.SCRIPT,
    Stage.TEXT_MODERATION: Capability.MODERATION,
    Stage.VOICEOVER: Capability.VOICEOVER,
    Stage.IMAGE: Capability.IMAGE,
    Stage.CLIP: Capability.CLIP,
    Stage.RENDER: Capability.RENDER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFacts:
    id: int
    provider_id: int
    lane_id: int
    bulk_lane_id: int | None = None  # where it is sold in bulk, too
    capability: str
    name: str
    label: str = ""
    lengths: tuple[int, ...] = ()
    takes: int = 1

    def lane_for(self, stage: str, settings: BatchSettings) -> int:
        if self.bulk_lane_id is not None and is_in_bulk(stage, settings):
            return self.bulk_lane_id
        return self.lane_id


def is_in_bulk(stage: str, settings: BatchSettings) -> bool:
    """Where its offer is sold so. One step at a time cannot be: each would wait for a day by itself."""
    return stage in settings.bulk and settings.strategy != "sequential"


Chosen = Mapping[str, int | Sequence[int]]  # stage -> offers, the dearest wish first; "clip:hero" for hero scenes


def wishes(stage: str, chosen: Chosen, *, hero: bool = False) -> tuple[int, ...]:
    """The offers that were chosen for the stage, in order; those of hero scenes where there are some."""
    wish = chosen.get(f"{stage}:hero") if hero else None
    wish = wish or chosen.get(stage) or ()
    return (wish,) if isinstance(wish, int) else tuple(wish)


def hero_clips(chosen: Chosen, scenes: int) -> int:
    """How many clips of a video to come the offers for hero scenes will make: scripts are asked for one or two."""
    heroes = 1 if scenes <= 3 else 2
    return min(heroes, scenes) if chosen.get(f"{Stage.CLIP}:hero") else 0


def choose(stage: str, chosen: Chosen, offers: Iterable[OfferFacts], *, hero: bool = False) -> OfferFacts | None:
    """The first of those chosen that can be used; where none was chosen, the first that can do it; None: nobody can.

    Nothing that nobody chose stands in for what was chosen: it would be of another kind.
    """
    able = {offer.id: offer for offer in offers if offer.capability == CAPABILITY_OF[stage]}
    wished = wishes(stage, chosen, hero=hero)
    return next((able[wish] for wish in wished or able if wish in able), None)
