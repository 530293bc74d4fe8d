"""`--repeat 3` at a prompt, as Midjourney writes it: so many calls of it, by us, whoever makes the picture. Pure."""

from __future__ import annotations

import re

MOST_REPEATS = 40  # of Midjourney's largest plans: https://docs.midjourney.com, as quoted in 2026-11
REPEAT = re.compile(r"(?<!\S)(?:--|[—–])(?:repeat|r)(?=[\s\d]|$)(?:\s*(\d+)\b)?", re.IGNORECASE)


def repeats(prompt: str) -> tuple[str, int]:
    """(the prompt without --repeat, how many calls it asks for: 1 to 40)."""
    found = REPEAT.findall(prompt)
    if not found:
        return prompt, 1
    asked = [int(number[:4]) for number in found if number]
    return " ".join(REPEAT.sub(" ", prompt).split()), min(MOST_REPEATS, max([1, *asked]))
