"""The models that are offered. Others, retired ones and prices stand in the catalogue."""

from ...offer_spec import OfferSpec
from ...types import Capability
from .images import MOST_PROMPT, MOST_TAKES, SIZES
from .prompts import LANGUAGES
from .speech import MOST_LETTERS

PLAIN_VOICES = ("alloy", "ash", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer")
VOICES = (*PLAIN_VOICES, "ballad", "cedar", "marin", "verse")  # each speaks every language


def _script(name: str, label: str, tier: str) -> OfferSpec:
    return OfferSpec(capability=Capability.SCRIPT, name=name, label=label, tier=tier)


def _image(name: str, label: str, tier: str) -> OfferSpec:
    return OfferSpec(
        capability=Capability.IMAGE,
        name=name,
        label=label,
        max_prompt=MOST_PROMPT,
        takes=MOST_TAKES,
        sizes=SIZES,
        tier=tier,
    )


def _voice(name: str, label: str, voices: tuple[str, ...]) -> OfferSpec:
    return OfferSpec(
        capability=Capability.VOICEOVER,
        name=name,
        label=label,
        voices=tuple((code, voice, voice.capitalize()) for code in LANGUAGES for voice in voices),
        max_prompt=MOST_LETTERS,
    )


OFFERS = (
    _script("gpt-6-luna", "GPT-6 Luna", "standard"),
    _script("gpt-5.6-luna", "GPT-5.6 Luna", "standard"),
    _script("gpt-6.1-terra", "GPT-6.1 Terra", "hero"),
    _script("gpt-6.1-sol", "GPT-6.1 Sol", "hero"),
    _script("gpt-6-sol", "GPT-6 Sol", "hero"),
    _image("gpt-image-2.5-flare", "GPT Image 2.5 Flare", "standard"),
    _image("gpt-image-2", "GPT Image 2", "standard"),
    _image("gpt-image-2.5-sunburst", "GPT Image 2.5 Sunburst", "hero"),
    _voice("gpt-4o-mini-tts", "GPT-4o mini TTS", VOICES),
    _voice("tts-1", "TTS 1", PLAIN_VOICES),
    _voice("tts-1-hd", "TTS 1 HD", PLAIN_VOICES),
    OfferSpec(capability=Capability.MODERATION, name="omni-moderation-latest", label="Omni moderation"),
)
