"""Which offer makes a step. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from providers.types import Capability

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
    capability: str
    name: str
    label: str = ""
    lengths: tuple[int, ...] = ()


def choose(stage: str, chosen: Mapping[str, int], offers: Iterable[OfferFacts]) -> OfferFacts | None:
    """The offer chosen for the stage, else the first that can do it; None when nobody can."""
    able = [offer for offer in offers if offer.capability == CAPABILITY_OF[stage]]
    wish = chosen.get(stage)
    return next((offer for offer in able if offer.id == wish), able[0] if able else None)
