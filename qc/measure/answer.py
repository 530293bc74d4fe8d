"""What a language model wrote, turned into JSON: one code fence is taken off, nothing else is guessed."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, NoReturn

MAX_CHARACTERS = 200_000
FENCE = re.compile(r"\A```[a-zA-Z0-9]*[ \t]*\r?\n(.*?)\r?\n?```\Z", re.DOTALL)
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # change the direction of what follows


class Unreadable(Exception):
    """Its text is a sentence for the person who sees the file flagged."""


def object_of(text: str) -> dict[str, Any]:
    """The one JSON object in an answer, or Unreadable."""
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(f"The answer has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.")
    bare = text.strip().removeprefix("\ufeff").strip()
    if not bare:
        raise Unreadable("The answer is empty.")
    fenced = FENCE.match(bare)
    try:
        value = json.loads(fenced.group(1) if fenced else bare, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise Unreadable(_why_no_json(bare, error)) from error
    except RecursionError as error:
        raise Unreadable("The answer is nested too deeply to be read.") from error
    except ValueError as error:
        raise Unreadable("The answer holds a number that cannot be read.") from error
    if not isinstance(value, dict):
        raise Unreadable("The answer is JSON but not an object with named fields.")
    return value


def clean(text: str) -> str:
    """Without what no person typed: control characters, half characters, marks that turn the writing round."""
    if text.isprintable():  # as most lines are
        return text.strip()
    return "".join(each if each == "\n" else _visible(each) for each in text).strip()


def _visible(character: str) -> str:
    if character in TURNING or unicodedata.category(character) == "Cs":
        return ""
    return " " if unicodedata.category(character) == "Cc" else character


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _why_no_json(text: str, error: json.JSONDecodeError) -> str:
    if not text.startswith(("{", "[", "```")):
        return f"The answer is not JSON: it begins with “{clean(text[:40])}”."
    if text.startswith("```") and not text.endswith("```"):
        return "The answer is cut off, or something follows its code fence."
    if error.msg == "Extra data":
        return f"Something follows the JSON in line {error.lineno} of the answer."
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
        return "The answer is cut off: it is not complete JSON."
    return f"The answer is not JSON: {error.msg.lower()} in line {error.lineno}."
