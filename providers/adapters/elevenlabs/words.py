"""When each word is spoken, as captions of one word each.

The vendor tells it for each letter of the text. What is not about exactly this text, or runs backwards, is left out: a
wrong time is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...answers import Said
from ...exceptions import Unknown
from ...types import Output

# Up to the next space; where a language has none, up to the next stop.
WORD = re.compile(r"[^\s。！？、，]+[。！？、，]*")
WORD_OR_DIRECTION = re.compile(rf"\[[^\[\]]*\]|{WORD.pattern}")


def captions(alignment: Said, text: str, *, has_directions: bool) -> tuple[Output, ...]:
    """None where the alignment does not fit. `has_directions`: what stands in brackets is not spoken."""
    try:
        times = _times(alignment, text)
    except Unknown:
        return ()
    cues = list(_cues(times, text, has_directions=has_directions))
    if not cues:
        return ()
    lines = (
        f"{number}\n{_clock(start)} --> {_clock(end)}\n{word}\n" for number, (word, start, end) in enumerate(cues, 1)
    )
    return (Output(content="\n".join(lines).encode(), media_type="application/x-subrip", role="srt"),)


def _times(alignment: Said, text: str) -> list[tuple[float, float]]:
    """(start, end) of each letter in seconds; raises Unknown."""
    letters = [letter.text(default="") for letter in alignment.items("characters")]  # a NUL is left out
    starts = [moment.number() for moment in alignment.items("character_start_times_seconds")]
    ends = [moment.number() for moment in alignment.items("character_end_times_seconds")]
    if "".join(letters) != text.replace("\0", "") or not len(text) == len(letters) == len(starts) == len(ends):
        raise alignment.unusable("a time for each letter")
    before = 0.0
    for start, end in zip(starts, ends, strict=True):
        if not before <= start <= end:
            raise alignment.unusable("times in their order")
        before = start
    return list(zip(starts, ends, strict=True))


def _cues(times: list[tuple[float, float]], text: str, *, has_directions: bool) -> Iterator[tuple[str, float, float]]:
    """A word lasts from its first sign to its last letter: the pause behind it is counted to its full stop."""
    for found in (WORD_OR_DIRECTION if has_directions else WORD).finditer(text):
        word = "".join(sign for sign in found[0] if sign.isprintable())
        spoken = [place for place in range(*found.span()) if text[place].isalnum()]
        if spoken and not (has_directions and word.startswith("[")):
            yield word, times[found.start()][0], times[spoken[-1]][1]


def _clock(seconds: float) -> str:
    minutes, millis = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{millis // 1000:02d},{millis % 1000:03d}"
