"""Models and voices, and what a text costs.

https://elevenlabs.io/docs/overview/models (read 2026-11-21). What is known of Eleven v4 (2026-09-29) comes from a
reseller: https://wavespeed.ai/blog/audio-and-voice-models/eleven-v4-api-guide/
"""

from __future__ import annotations

from datetime import date

from ...offer_spec import OfferSpec
from ...types import Capability, Request

# Each speaks every language, with an accent of its own. From the vendor's spec and https://github.com/elevenlabs/skills,
# Roger and Laura from https://github.com/dograh-hq/dograh/issues/290 (2026-05-29). Rachel is the usual one, as she has
# moved into the library, which every paid plan may use: the others are default voices, which newer accounts lack, and
# which are said to end on 2026-12-31 (https://github.com/home-assistant/home-assistant.io/issues/47697, 2026-08-28).
VOICES = {
    "21m00Tcm4TlvDq8ikWAM": "Rachel",
    "JBFqnCBsd6RMkjVDRZzb": "George",
    "EXAVITQu4vr4xnSDxMaL": "Sarah",
    "onwK4e9ZLuTAKqWW03F9": "Daniel",
    "CwhRBWXzGAHq8TQ4Fs17": "Roger",
    "FGY2WhTYpPnrIDTdsKH5": "Laura",
}
USUAL_VOICE = next(iter(VOICES))
VOICES_END = {voice: date(2026, 12, 31) for voice in VOICES if voice != USUAL_VOICE}
LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pl", "pt", "tr", "ja", "ko")

# A letter of these is half a credit, of all others one. Nobody says what v4 Turbo takes: not less than it may is set
# aside, and what was taken stands in each answer.
HALF_PRICE = ("eleven_flash_", "eleven_turbo_")
NAMES_A_LANGUAGE = ("eleven_flash_v2_5", "eleven_turbo_v2_5")  # others refuse or pass over `language_code`
# v3 refuses the text before and after it ("unsupported_model"); v4 is not documented, so it is spared it, too. Both
# take directions in brackets, [whispers], that nobody is to read.
DIRECTED = ("eleven_v3", "eleven_v4")


def _voice(name: str, label: str, tier: str, most_letters: int) -> OfferSpec:
    return OfferSpec(
        capability=Capability.VOICEOVER,
        name=name,
        label=label,
        voices=tuple((code, voice, named) for code in LANGUAGES for voice, named in VOICES.items()),
        max_prompt=most_letters,
        tier=tier,
    )


OFFERS = (
    _voice("eleven_multilingual_v2", "Eleven Multilingual v2", "standard", 10_000),
    _voice("eleven_flash_v2_5", "Eleven Flash v2.5", "draft", 40_000),
    _voice("eleven_v3", "Eleven v3", "hero", 5_000),
    _voice("eleven_v4", "Eleven v4", "hero", 10_000),
    _voice("eleven_v4_turbo", "Eleven v4 Turbo", "standard", 10_000),  # a reseller says 5,000
)


def voice_of(request: Request) -> str:
    """The id of a voice; the names of our own few work, too."""
    by_name = {name.lower(): voice for voice, name in VOICES.items()}
    return by_name.get(request.voice.lower(), request.voice) or USUAL_VOICE


def credits_for(request: Request) -> int:
    """What the text costs. A voice whose owner set a rate of its own may cost more."""
    letters = len(request.prompt)
    return -(-letters // 2) if request.offer.startswith(HALF_PRICE) else letters
