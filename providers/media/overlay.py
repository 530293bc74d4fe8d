"""Text of a user drawn over the picture. It reaches ffmpeg only as the content of files named by us."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .fonts import font_file
from .wrapping import plain, wrap

MAX_LINES = 4
SHARE_OF_WIDTH = 0.88
SIGN_WIDTH = 0.58  # of the font size, on average


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """Lines at the top of the picture; each is a text file, since drawtext aligns several lines to the left only."""

    files: tuple[Path, ...]
    font: Path | None
    size_px: int


def write_overlay(text: str, folder: Path, *, width_px: int, height_px: int, name: str = "overlay") -> Overlay | None:
    """None when there is nothing to see. What does not fit in MAX_LINES ends in an ellipsis."""
    size_px = max(round(min(width_px, height_px) * 0.062), 8)
    columns = max(int(width_px * SHARE_OF_WIDTH / (size_px * SIGN_WIDTH)), 4)
    lines = fitted(text, columns)
    if not lines:
        return None
    files = tuple(folder / f"{name}-{number}.txt" for number in range(len(lines)))
    for file, line in zip(files, lines, strict=True):
        file.write_text(line, encoding="utf-8")
    return Overlay(files=files, font=font_file("".join(lines)), size_px=size_px)


def fitted(text: str, columns: int) -> list[str]:
    paragraphs = (plain(paragraph) for paragraph in text.splitlines())
    lines = [line for paragraph in paragraphs if paragraph for line in wrap(paragraph, columns)]
    if len(lines) <= MAX_LINES:
        return lines
    return [*lines[: MAX_LINES - 1], wrap(lines[MAX_LINES - 1], columns - 1)[0] + "…"]


def drawn(stream: Any, overlay: Overlay) -> Any:
    """The stream with the overlay's lines drawn on it."""
    font = {"fontfile": str(overlay.font)} if overlay.font else {"font": "sans-serif"}
    for number, file in enumerate(overlay.files):
        baseline = round(overlay.size_px * (1.9 + number * 1.3))
        stream = stream.filter(
            "drawtext",
            textfile=file.name,
            expansion="none",
            fontsize=overlay.size_px,
            fontcolor="white",
            borderw=max(overlay.size_px // 14, 1),
            bordercolor="black@0.75",
            x="(w-text_w)/2",
            y=f"{baseline}-ascent",
            **font,
        )
    return stream
