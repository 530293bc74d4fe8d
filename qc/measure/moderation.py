"""The answer of a moderation call: flagged or not, and a score for each category."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..types import ModerationFacts
from .answer import MAX_CHARACTERS, Unreadable, clean, object_of

MAX_CATEGORIES, MAX_NAME, MAX_SCORE = 100, 100, 100


def measure_moderation(path: Path) -> ModerationFacts:
    if path.stat().st_size > MAX_CHARACTERS * 4:
        return ModerationFacts(error=f"The answer is larger than {MAX_CHARACTERS * 4 // 1000:,} KB.")
    try:
        return read_moderation(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return ModerationFacts(error="The answer is not text in UTF-8.")


def read_moderation(text: str) -> ModerationFacts:
    """Never raises: what is wrong stands in `error`."""
    try:
        answer = object_of(text)
        flagged, categories = answer.get("flagged"), answer.get("categories", {})
        if not isinstance(flagged, bool):
            raise Unreadable("The moderation's “flagged” is missing or neither true nor false.")
        if not isinstance(categories, dict) or len(categories) > MAX_CATEGORIES:
            raise Unreadable(f"The moderation's “categories” are no object of at most {MAX_CATEGORIES} scores.")
        scores = [(clean(name)[:MAX_NAME], _score(name, value)) for name, value in categories.items()]
    except Unreadable as error:
        return ModerationFacts(error=str(error))
    return ModerationFacts(flagged=flagged, categories=tuple(sorted(scores, key=lambda each: (-each[1], each[0]))))


def _score(name: str, value: Any) -> float:
    """A category that only says yes or no counts as 1 or 0."""
    if not isinstance(value, int | float) or not 0 <= value <= MAX_SCORE:
        raise Unreadable(f"The moderation's score of “{clean(name)[:MAX_NAME]}” is no number from 0 to {MAX_SCORE}.")
    return float(value)
