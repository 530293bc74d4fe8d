"""Captions from the narration: cues of at most two lines, as SRT, WebVTT, and ASS for burning in."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pysubs2

from .wrapping import balanced, pieces, plain, width, wrap

LINES = 2
# A sentence end is followed by a space, except after the full-width stops.
SENTENCE = re.compile(r".+?(?:[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？]+[」』”]*|$)", re.DOTALL)
SHORT_SENTENCE = 16  # such a cue would flash by: it joins the one before
PAUSE = 6  # signs that the breath after a portion takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    start_s: float
    end_s: float
    lines: tuple[str, ...]


def cues(narration: str, *, start_s: float, duration_s: float, columns: int = 42) -> list[Cue]:
    """The narration in readable portions, each shown for its share of the spoken time."""
    portions = list(_portions(plain(narration), columns))
    spans = [width(portion) + PAUSE for portion in portions]
    whole = sum(spans)
    placed: list[Cue] = []
    spoken = 0
    for portion, span in zip(portions, spans, strict=True):
        begin = start_s + duration_s * spoken / whole
        spoken += span
        end = start_s + duration_s * spoken / whole
        placed.append(Cue(start_s=begin, end_s=end, lines=tuple(balanced(portion, columns))))
    return placed


def write_srt(path: Path, all_cues: Iterable[Cue]) -> None:
    # Without keep_ssa_tags pysubs2 takes braces in the text for styling and drops them.
    _file(all_cues, lambda line: line).save(str(path), format_="srt", keep_ssa_tags=True)


def write_vtt(path: Path, all_cues: Iterable[Cue]) -> None:
    _file(all_cues, lambda line: html.escape(line, quote=False)).save(str(path), format_="vtt", keep_ssa_tags=True)


def write_ass(path: Path, all_cues: Iterable[Cue], *, width_px: int, height_px: int) -> None:
    """For burning in: sizes follow the shorter side, so that portrait reads as well as landscape."""
    subtitles = _file(all_cues, lambda line: line.replace("{", r"\{").replace("}", r"\}"))
    subtitles.info.update({"PlayResX": str(width_px), "PlayResY": str(height_px), "WrapStyle": "0"})
    shorter = min(width_px, height_px)
    subtitles.styles["Default"] = pysubs2.SSAStyle(
        fontname="sans-serif",
        fontsize=round(shorter * 0.062, 1),
        bold=True,
        outline=round(shorter * 0.004, 1),
        shadow=round(shorter * 0.0015, 1),
        alignment=pysubs2.Alignment.BOTTOM_CENTER,
        marginl=width_px // 14,
        marginr=width_px // 14,
        marginv=height_px // 14,
    )
    subtitles.save(str(path), format_="ass")


def _file(all_cues: Iterable[Cue], escape: Callable[[str], str]) -> pysubs2.SSAFile:
    subtitles = pysubs2.SSAFile()
    for cue in all_cues:
        text = r"\N".join(escape(_defused(line)) for line in cue.lines)
        subtitles.append(pysubs2.SSAEvent(start=round(cue.start_s * 1000), end=round(cue.end_s * 1000), text=text))
    return subtitles


def _defused(line: str) -> str:
    # No format here can write a backslash as such before n, N or h; an invisible joiner after it keeps them apart.
    return line.replace("\\", "\\\u2060")


def _portions(text: str, columns: int) -> Iterator[str]:
    waiting = ""
    for sentence in (found.strip() for found in SENTENCE.findall(text)):
        joined = f"{waiting} {sentence}".strip()
        short = width(sentence) < SHORT_SENTENCE or width(waiting) < SHORT_SENTENCE
        if waiting and not (short and _fits(joined, columns)):
            yield from _split(waiting, columns)
            waiting = sentence
        else:
            waiting = joined
    if waiting:
        yield from _split(waiting, columns)


def _split(sentence: str, columns: int) -> Iterator[str]:
    """A sentence too long for one cue, in even parts that rather end at a comma."""
    if _fits(sentence, columns):
        yield sentence
        return
    room = columns * LINES
    aim = width(sentence) / -(-width(sentence) // (room - columns // 4))
    part = ""
    for piece in pieces(sentence, columns):
        at_comma = width(part) >= aim * 0.6 and part.rstrip().endswith((",", ";", ":", "，", "、", "–", "—"))
        if part and (at_comma or width(part) >= aim or not _fits(part + piece, columns)):
            yield part.strip()
            part = ""
        part += piece
    if part.strip():
        yield part.strip()


def _fits(text: str, columns: int) -> bool:
    return len(wrap(text.strip(), columns)) <= LINES
