"""Breaking text into lines by its width on screen: wide East Asian signs count two, combining marks nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Scripts written without spaces may break between any two signs.
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")


def width(text: str) -> int:
    return sum(_columns(sign) for sign in text)


def plain(text: str) -> str:
    """One line without control signs or lone surrogates, every run of white space one space."""
    valid = text.encode("utf-8", "replace").decode("utf-8")
    kept = "".join(" " if sign.isspace() else sign for sign in valid if sign.isspace() or _is_visible(sign))
    return " ".join(kept.split())


def wrap(text: str, columns: int) -> list[str]:
    """Lines of at most `columns`; a longer word is cut. `text` as plain() leaves it."""
    lines: list[str] = []
    line = ""
    for piece in pieces(text, columns):
        if line and width(line) + width(piece.rstrip()) > columns:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines


def balanced(text: str, columns: int) -> list[str]:
    """As few lines as wrap() gives, of about the same length."""
    lines = wrap(text, columns)
    for narrower in range(-(-width(text) // max(len(lines), 1)), columns):
        tried = wrap(text, narrower)
        if len(tried) == len(lines):
            return tried
    return lines


def pieces(text: str, columns: int) -> Iterator[str]:
    """Words with the space after them, single signs of unspaced scripts, parts of words wider than a line."""
    for word in re.findall(r"\S+\s*", text):
        if width(word.rstrip()) <= columns and not UNSPACED.search(word):
            yield word
        else:
            yield from _parts(word, columns)


def _parts(word: str, columns: int) -> Iterator[str]:
    part = ""
    for sign in word:
        if part and _columns(sign) and (UNSPACED.match(sign) or UNSPACED.match(part) or width(part) >= columns):
            yield part
            part = ""
        part += sign
    yield part


def _columns(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _is_visible(sign: str) -> bool:
    # Marks of writing direction and joiners (Cf) shape the text; other C categories only harm.
    category = unicodedata.category(sign)
    return category == "Cf" or not category.startswith("C")
