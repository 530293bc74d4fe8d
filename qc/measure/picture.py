"""Runs as a limited child: decodes one picture that nobody vouches for, prints what it is, may write a thumbnail."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 40_000_000
SAMPLE_PX = 512  # statistics are taken on a copy of this size: grain and JPEG noise are averaged away
JPEG_QUALITY = 85

Pixels = npt.NDArray[np.float32]


def read(path: Path) -> tuple[dict[str, Any], Image.Image]:
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    with Image.open(path, formats=FORMATS) as picture:
        picture.verify()  # reads checksums, but spoils the object for loading
    with Image.open(path, formats=FORMATS) as picture:
        file_format, mode = picture.format, picture.mode
        picture.load()
        shown = _as_rgb(ImageOps.exif_transpose(picture))
    size = {"width": shown.width, "height": shown.height}
    return {**size, "format": file_format, "mode": mode, **_statistics(shown)}, shown


def _as_rgb(picture: Image.Image) -> Image.Image:
    """As a page shows it: 16 bits scaled to 8, transparency upon white."""
    if picture.mode.startswith("I"):
        return Image.fromarray((np.asarray(picture) // 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return picture.convert("RGB")


def _write_thumbnail(picture: Image.Image, out: Path, width: int) -> None:
    wide = min(width, picture.width)
    high = max(1, round(picture.height * wide / picture.width))
    picture.resize((wide, high), Image.Resampling.LANCZOS, reducing_gap=2.0).save(out, "JPEG", quality=JPEG_QUALITY)


def _statistics(picture: Image.Image) -> dict[str, float | int]:
    small = picture.copy()
    small.thumbnail((SAMPLE_PX, SAMPLE_PX), Image.Resampling.BOX)
    colours = np.asarray(small, dtype=np.float32)
    brightness: Pixels = colours @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return {
        "mean": float(brightness.mean()),
        "contrast": float(brightness.std()),
        "spread": float(colours.std(axis=(0, 1)).max()),
        "colours": _distinct(np.asarray(small)),
        "entropy": _entropy(brightness),
        "edge_energy": max(_edges(colours[:, :, channel]) for channel in range(3)),
    }


def _distinct(pixels: npt.NDArray[np.uint8]) -> int:
    levels = (pixels >> 3).astype(np.uint16)
    return len(np.unique(levels[:, :, 0] << 10 | levels[:, :, 1] << 5 | levels[:, :, 2]))


def _entropy(brightness: Pixels) -> float:
    counts = np.bincount(brightness.astype(np.uint8).ravel(), minlength=256)
    shares = counts[counts > 0] / brightness.size
    return float(max(-(shares * np.log2(shares)).sum(), 0.0))


def _edges(channel: Pixels) -> float:
    steps = [np.abs(np.diff(channel, axis=axis)) for axis in (0, 1)]
    return float(sum(step.mean() for step in steps if step.size))


def _explained(error: Exception) -> str:
    """One sentence; Pillow's own words go to the log."""
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels."
    if isinstance(error, UnidentifiedImageError):
        return "The file is no PNG, JPEG or WebP picture."
    if isinstance(error, MemoryError):
        return "The picture needs too much memory to be read."
    if "truncated" in str(error).lower():
        return "The picture is cut off: the file ends before the picture does."
    return "The picture is damaged and cannot be read to its end."


def main() -> None:
    asked = json.load(sys.stdin)
    try:
        answer, shown = read(Path(asked["path"]))
    except Exception as error:  # whatever a broken file provokes in a decoder is a finding about that file
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        answer = {"unreadable": _explained(error)}
    else:
        if asked["thumbnail"]:
            _write_thumbnail(shown, Path(asked["thumbnail"]), asked["width"])
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
