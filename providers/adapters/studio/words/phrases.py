from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """`{topic}` is put in as it stands, so it comes after a colon or between the marks of `quotes`."""

    name: str
    quotes: tuple[str, str]
    untold: str  # stands for a topic that has no words in it
    titles: tuple[str, ...]
    descriptions: tuple[str, ...]
    hashtags: tuple[str, ...]
    hook: tuple[str, ...]
    background: tuple[str, ...]
    detail: tuple[str, ...]
    example: tuple[str, ...]
    turn: tuple[str, ...]
    close: tuple[str, ...]
    little_words: str  # make no hashtag
