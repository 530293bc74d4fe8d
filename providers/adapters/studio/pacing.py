"""How long a text takes to say. Fitted to espeak-ng at the rate the studio's voice uses; a test measures it again."""

from __future__ import annotations

import re
from dataclasses import dataclass

WORDS_PER_MINUTE = 155  # espeak-ng's -s


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds for each letter, syllable, word, comma, colon and end of a sentence, and once for the whole."""

    letter: float
    syllable: float
    word: float
    comma: float
    colon: float
    stop: float
    whole: float


PACES = {
    "en": Pace(0.0733, -0.0371, 0.0241, 0.3319, 0.3079, 0.5287, -0.0583),
    "de": Pace(0.0579, -0.0121, 0.0674, 0.2402, 0.1071, 0.3736, 0.0295),
    "es": Pace(0.0699, -0.0061, 0.0212, 0.2695, 0.3527, 0.4016, 0.0185),
    "fr": Pace(0.0312, 0.0701, 0.0155, 0.2323, 0.3125, 0.4405, 0.0851),
}


def features(text: str) -> tuple[int, int, int, int, int, int]:
    """Letters (a digit is said as a word of about four), syllables, words, commas, colons, stops."""
    letters = sum(4 if c.isdigit() else c.isalpha() for c in text)
    words = re.findall(r"[^\W_]+(?:[’'][^\W_]+)*", text.casefold())
    stops = max(1, len(re.findall(r"[.!?…]+(?=\s|$)", text)))
    commas, colons = len(re.findall(r"[,;–—]", text)), text.count(":")
    return letters, sum(map(_syllables, words)), len(words), commas, colons, stops


def _syllables(word: str) -> int:
    """Groups of vowels; an ending that English and French do not speak is left out."""
    heard = re.sub(r"(?<=[^aeiouy])(e|es|ent)$", "", word)
    return max(1, len(re.findall(r"[aeiouyàâäáãèéêëìíîïòóôöùúûüœæ]+|\d", heard)))


def seconds_to_say(text: str, language: str) -> float:
    letters, syllables, words, commas, colons, stops = features(text)
    pace = PACES[language]
    said = letters * pace.letter + syllables * pace.syllable + words * pace.word
    return pace.whole + said + commas * pace.comma + colons * pace.colon + stops * pace.stop
