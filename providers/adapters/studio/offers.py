from __future__ import annotations

from ...offer_spec import OfferSpec
from ...types import Capability
from .voice import LANGUAGE_NAMES, VOICES
from .words import LANGUAGES

LENGTHS = tuple(range(1, 21))  # of clips, in seconds
LONGEST_TEXT = 5000
LONGEST_TOPIC = 20_000


def label_of(language: str, name: str) -> str:
    """ "en-us+f3" is "English (en-us), woman 3"."""
    accent, _, speaker = name.partition("+")
    who = {"f": "woman", "m": "man"}.get(speaker[:1], "")
    return f"{LANGUAGE_NAMES[language]} ({accent})" + (f", {who} {speaker[1:]}" if who else "")


OFFERS = (
    OfferSpec(capability=Capability.SCRIPT, name="studio-script", label="Sentence patterns", max_prompt=LONGEST_TOPIC),
    OfferSpec(capability=Capability.IMAGE, name="studio-picture", label="Paper-cut pictures", max_prompt=LONGEST_TOPIC),
    OfferSpec(capability=Capability.CLIP, name="studio-clip", label="Slow zoom and pan", lengths=LENGTHS),
    OfferSpec(
        capability=Capability.VOICEOVER,
        name="studio-voice",
        label="eSpeak NG",
        # Only of languages that scripts are written in: no project may begin in one in which nothing could be made.
        voices=tuple((code, name, label_of(code, name)) for code in LANGUAGES for name in VOICES[code]),
        max_prompt=LONGEST_TEXT,
    ),
    OfferSpec(capability=Capability.MODERATION, name="studio-word-list", label="Word list"),
)
