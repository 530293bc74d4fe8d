"""Twenty pictures side by side: `python -m providers.adapters.studio.contact_sheet OUT.jpg`.

The one in docs/images is made by this.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

from .draw import draw

COLUMNS, TILE, GAP = 5, (448, 252), 6
PROMPTS = (
    ("hills at dawn", 3),
    ("sea at night", 8),
    ("lake in winter", 4),
    ("dunes in desert colours", 5),
    ("forest in autumn", 6),
    ("skyline at dusk", 7),
    ("botanical study in spring", 8),
    ("waves of blue paper", 9),
    ("orbits at night", 10),
    ("terraces in terracotta", 11),
    ("arcs in spring", 12),
    ("still life in clay", 13),
    ("doorway in the morning", 14),
    ("hills in the meadow", 15),
    ("sea at sunset", 16),
    ("forest in the rain", 17),
    ("skyline by night", 18),
    ("terraces of blue paper", 19),
    ("botanical study in autumn", 20),
    ("lake at dawn", 21),
)


def make_sheet(out: Path) -> None:
    rows = -(-len(PROMPTS) // COLUMNS)
    pitch = (TILE[0] + GAP, TILE[1] + GAP)
    sheet = Image.new("RGB", (COLUMNS * pitch[0] + GAP, rows * pitch[1] + GAP), (250, 249, 247))
    with tempfile.TemporaryDirectory() as folder:
        for i, (prompt, seed) in enumerate(PROMPTS):
            path = Path(folder) / f"{i}.jpg"
            draw(width=TILE[0] * 3, height=TILE[1] * 3, seed=seed, prompt=prompt, out=path)
            with Image.open(path) as picture:
                small = picture.resize(TILE, Image.Resampling.LANCZOS)
            sheet.paste(small, (GAP + i % COLUMNS * pitch[0], GAP + i // COLUMNS * pitch[1]))
    sheet.save(out, "JPEG", quality=86, optimize=True)


if __name__ == "__main__":
    make_sheet(Path(sys.argv[1]))
