"""One picture, in a process of its own: `python -m providers.adapters.studio.draw` with a JSON request on stdin.

The same seed, prompt and size always give the same pixels. Words in the prompt may choose composition and mood.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from .arrangements import arcs, botanical, orbits, skyline, terraces, waves
from .canvas import Canvas
from .colour import Palette, oklch, palette_for
from .landscapes import dunes, forest, hills, lake, sea
from .motifs import FAMILY_WORDS, MOOD_WORDS, SUITS, first_named
from .still_life import doorway, still_life

FAMILIES: dict[str, Callable[[Canvas, Palette, random.Random], None]] = {
    "hills": hills,
    "sea": sea,
    "lake": lake,
    "dunes": dunes,
    "forest": forest,
    "skyline": skyline,
    "botanical": botanical,
    "waves": waves,
    "orbits": orbits,
    "terraces": terraces,
    "arcs": arcs,
    "still_life": still_life,
    "doorway": doorway,
}


def draw(*, width: int, height: int, seed: int, prompt: str, out: Path) -> tuple[str, str]:
    """The composition and mood it chose."""
    rng = random.Random(hashlib.sha256(f"{seed}\n{prompt}".encode("utf-8", "replace")).digest())
    family = first_named(prompt, FAMILY_WORDS) or rng.choice(sorted(FAMILIES))
    mood = first_named(prompt, MOOD_WORDS) or rng.choice(SUITS[family])
    canvas = Canvas(width, height)
    FAMILIES[family](canvas, palette_for(mood, rng), rng)
    canvas.finish(out, rng)
    return family, mood


def blank(*, width: int, height: int, seed: int, out: Path) -> None:
    """The planted flaw: one flat colour."""
    Image.new("RGB", (width, height), oklch(0.72, 0.03, seed % 360)).save(out, "JPEG", quality=90)


def main(payload: dict[str, Any]) -> dict[str, Any]:
    size = {"width": int(payload["width"]), "height": int(payload["height"]), "seed": int(payload["seed"])}
    out = Path(payload["out"])
    if payload.get("flaw") == "blank":
        blank(**size, out=out)
        return {"family": "blank", "mood": ""}
    family, mood = draw(**size, prompt=str(payload["prompt"]), out=out)
    return {"family": family, "mood": mood}


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
