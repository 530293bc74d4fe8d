"""What a call will be billed for. Exact where the price is for the call or the picture, estimated where the bill
depends on what comes out: seconds, characters, tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from jobs.pipeline import length_for
from jobs.settings_types import BatchSettings
from jobs.states import Stage
from providers.pricing import cost

from .plain import Measured, PriceFacts

CHARACTERS_PER_S = 15  # of narration, at the pace at which the languages here are spoken
CHARACTERS_OF_PROMPT = 150
TOKENS_PER_SCENE = 250  # of a script: narration, picture and their wrapping
EXACT = frozenset({"calls", "requests", "images", "renders"})
HOUR_S = 3600.0


def units_of_call(
    stage: str, settings: BatchSettings, scenes: int, *, lengths: tuple[int, ...], measured: Measured, takes: int = 1
) -> Counter[str]:
    """What one call of the stage uses: of quotas, and on the bill. Measured means win over what was planned."""
    seconds = settings.seconds / max(1, scenes)
    units: Counter[str] = Counter(calls=1, requests=1, renders=1)
    if stage == Stage.VOICEOVER:
        units.update(characters=round(seconds * CHARACTERS_PER_S), seconds=-(-settings.seconds // max(1, scenes)))
    elif stage == Stage.IMAGE:
        units.update(images=min(settings.takes, takes), characters=CHARACTERS_OF_PROMPT)
    elif stage == Stage.CLIP:
        length = length_for(seconds + settings.crossfade_s, lengths)
        units.update(characters=CHARACTERS_OF_PROMPT, seconds=-(-int(length * 1000) // 1000))
    elif stage == Stage.SCRIPT:
        units.update(characters=CHARACTERS_OF_PROMPT, tokens=scenes * TOKENS_PER_SCENE)
    elif stage == Stage.RENDER:
        units.update(seconds=settings.seconds)
    elif stage == Stage.TEXT_MODERATION:
        units.update(characters=settings.seconds * CHARACTERS_PER_S)
    for unit, mean in measured.units.items():
        if mean > 0:
            units[unit] = max(1, round(mean))
    return units


def bill(price: PriceFacts, units: Mapping[str, int]) -> int:
    return cost(price, units)


def most_in_an_hour(spent: Sequence[tuple[float, int]]) -> int:
    """The most that is billed within any 60 minutes, of (moment, amount) in the order of time."""
    most = inside = start = 0
    for at, micro in spent:
        inside += micro
        while spent[start][0] <= at - HOUR_S:
            inside -= spent[start][1]
            start += 1
        most = max(most, inside)
    return most
