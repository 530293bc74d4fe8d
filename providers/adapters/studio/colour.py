"""Colours by OKLCH, so that equal lightness looks equally light whatever the hue (Björn Ottosson, 2020)."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

RGB = tuple[int, int, int]

# Five neighbouring hues each, from the sky's to the nearest thing's; all within 120 degrees of the colour wheel.
MOODS: dict[str, tuple[float, ...]] = {
    "dawn": (310, 345, 15, 40, 65),
    "dusk": (270, 290, 320, 350, 25),
    "ocean": (258, 240, 225, 208, 190),
    "meadow": (185, 165, 145, 122, 98),
    "desert": (20, 38, 55, 70, 88),
    "night": (235, 250, 265, 280, 300),
    "autumn": (20, 38, 55, 72, 90),
    "frost": (285, 262, 240, 222, 205),
    "blossom": (335, 352, 8, 25, 50),
    "garden": (40, 75, 105, 130, 150),
    "storm": (195, 215, 235, 255, 275),
    "clay": (12, 30, 46, 66, 88),
}


@dataclass(frozen=True, slots=True)
class Palette:
    mood: str
    hues: tuple[float, ...]
    dark: bool
    richness: float  # factor on chroma

    def tone(self, index: int, lightness: float, chroma: float) -> RGB:
        """A tint or shade of one of the palette's hues; no other hue ever gets into a picture."""
        return oklch(lightness, chroma * self.richness, self.hues[index % len(self.hues)])


def palette_for(mood: str, rng: random.Random) -> Palette:
    turn = rng.uniform(-7, 7)
    hues = tuple((hue + turn) % 360 for hue in MOODS[mood])
    dark = mood in ("night", "storm") or (mood in ("dusk", "frost", "ocean") and rng.random() < 0.4)
    return Palette(mood, hues, dark, rng.uniform(0.85, 1.08))


def oklch(lightness: float, chroma: float, hue: float) -> RGB:
    """sRGB, with chroma taken back until the colour exists on a screen."""
    while chroma > 0.002:
        channels = _linear(lightness, chroma, hue)
        if all(-0.0005 <= c <= 1.0005 for c in channels):
            break
        chroma *= 0.94
    else:
        channels = _linear(lightness, 0.0, hue)
    red, green, blue = (_gamma(min(1.0, max(0.0, c))) for c in channels)
    return red, green, blue


def _linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(value: float) -> int:
    encoded = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * encoded)


def mix(one: RGB, other: RGB, share: float) -> RGB:
    """`share` 0 is `one`, 1 is `other`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
