from __future__ import annotations

from ...offer_spec import OfferSpec
from ...types import Capability
from .voice import VOICES

LENGTHS = tuple(range(1, 21))  # of clips, in seconds
LONGEST_TEXT = 5000
LONGEST_TOPIC = 20_000

OFFERS = (
    OfferSpec(capability=Capability.SCRIPT, name="studio-script", label="Sentence patterns", max_prompt=LONGEST_TOPIC),
    OfferSpec(capability=Capability.IMAGE, name="studio-picture", label="Paper-cut pictures", max_prompt=LONGEST_TOPIC),
    OfferSpec(capability=Capability.CLIP, name="studio-clip", label="Slow zoom and pan", lengths=LENGTHS),
    OfferSpec(
        capability=Capability.VOICEOVER,
        name="studio-voice",
        label="eSpeak NG",
        voices=tuple(name for names in VOICES.values() for name in names),
        max_prompt=LONGEST_TEXT,
    ),
    OfferSpec(capability=Capability.MODERATION, name="studio-word-list", label="Word list"),
)
