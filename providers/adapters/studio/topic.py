"""A topic is somebody's text: a title, a question, a whole article, emoji. Here it becomes a phrase one can say."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 70  # characters; a narrator needs breath


def spoken_topic(text: str, *, instead: str) -> str:
    """Letters, digits and plain punctuation of the first sentence, cut between words; `instead` when none is left."""
    first = ""
    for sentence in re.split(r"[\r\n]+|(?<=[.!?;。！？])\s+", unicodedata.normalize("NFKC", text[:6000])):
        first = _plain(sentence)
        if any(c.isalnum() for c in first):
            break
    else:
        return instead
    short = _shorten(first)
    return short if "?" in short else short.replace("¿", "")


def _plain(text: str) -> str:
    text = re.sub(r"https?://\S+|www\.\S+", " ", text)
    kept = "".join(c if _sayable(c) else " " for c in text)
    kept = re.sub(r"(?<!\w)[’'&/+-]+|[’'&/+-]+(?!\w)", " ", kept.replace(" & ", " and_ "))
    kept = kept.replace(" and_ ", " & ")
    kept = re.sub(r"\s+([,:?!])", r"\1", re.sub(r"\s+", " ", kept))
    kept = re.sub(r"([,:?!])[,:?!]+", r"\1", kept)
    return kept.strip(" ,:")


def _sayable(c: str) -> bool:
    return c.isalnum() or c in " ,:?!¿°’'-&/+%€$" or unicodedata.category(c).startswith("M") and c not in "\ufe0f\u20e3"


def _shorten(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    clause = re.split(r"[,:?!]\s", text)[0]
    if 12 <= len(clause) <= LONGEST:
        return clause
    cut = text[:LONGEST]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut).rstrip(" ,:&/-'’")


def set_in(pattern: str, topic: str) -> str:
    """The pattern with the topic in it, without a second full stop after a question."""
    if topic[-1:] in "?!":
        pattern = pattern.replace("{topic}.", "{topic}").replace("{topic},", "{topic}")
    text = pattern.replace("{topic}", topic)
    return text[:1].upper() + text[1:]


def hashtags(topic: str, *, little_words: str, general: tuple[str, ...]) -> list[str]:
    little = set(little_words.split())
    words = re.findall(r"[^\W\d_]{3,24}", topic)
    own = ["#" + word.casefold() for word in words if word.casefold() not in little]
    return list(dict.fromkeys([*own[:4], *general]))[:6]
