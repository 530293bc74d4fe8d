"""A sheet to lay paper shapes on. Edges are drawn three times larger and averaged; work stays in Pillow's C code."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .colour import RGB

OVERSAMPLE = 3
Points = Sequence[tuple[float, float]]
Fill = RGB | tuple[RGB, RGB]  # one colour, or from the top of the shape to its bottom
Box = tuple[int, int, int, int]


class Canvas:
    def __init__(self, width: int, height: int) -> None:
        self.w, self.h = width, height
        self.u = math.sqrt(width * height) / 1.3  # the unit for sizes of things: near the short side for 16:9
        self.image = Image.new("RGB", (width, height))

    def backdrop(self, *colours: RGB) -> None:
        """A smooth run of colours from top to bottom."""
        self.image.paste(_ramp(colours, self.w, self.h))

    def shape(self, points: Points, fill: Fill, *, shadow: float = 0.0, alpha: float = 1.0) -> None:
        """`shadow` darkens what lies just outside the edge, as a sheet of card on another would."""
        box = self._box(points, 1)
        if box is None:
            return
        if shadow:
            self._shadow(points, shadow)
        mask = _polygon_mask(points, box, OVERSAMPLE)
        self._paste(fill, box, mask, alpha)

    def disc(self, x: float, y: float, radius: float, fill: Fill, *, shadow: float = 0.0, alpha: float = 1.0) -> None:
        self.shape(ellipse(x, y, radius, radius), fill, shadow=shadow, alpha=alpha)

    def stroke(self, points: Points, width: float, fill: Fill, *, alpha: float = 1.0, taper: float = 1.0) -> None:
        """A line that ends `taper` times as wide as it starts."""
        self.shape(ribbon(points, width, width * taper), fill, alpha=alpha)

    def glow(self, x: float, y: float, radius: float, colour: RGB, strength: float) -> None:
        side = 96
        axis = np.linspace(-1, 1, side)
        distance = np.sqrt(axis[:, None] ** 2 + axis[None, :] ** 2)
        falloff = np.clip(1 - distance, 0, 1) ** 2 * 255 * strength
        size = max(2, round(2 * radius))
        mask = Image.fromarray(falloff.astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
        self.image.paste(colour, (round(x - radius), round(y - radius)), mask)

    def sphere(
        self, x: float, y: float, radius: float, colour: RGB | None, *, light: float, dark: RGB, depth: float
    ) -> None:
        """A disc that is lit from the angle `light` (radians, 0 is the right) and turns to `dark` on the other side.

        Without a colour it only shades what is there.
        """
        if colour is not None:
            self.disc(x, y, radius, colour)
        box = self._box([(x - radius, y - radius), (x + radius, y + radius)], 1)
        if box is None:
            return
        across = (np.arange(box[0], box[2])[None, :] + 0.5 - x) / radius
        down = (np.arange(box[1], box[3])[:, None] + 0.5 - y) / radius
        distance = np.sqrt(across**2 + down**2)
        height = np.sqrt(np.clip(1 - distance**2, 0, 1))
        lit = (across * math.cos(light) + down * math.sin(light)) * 0.78 + height * 0.62
        cover = np.clip((1 - distance) * radius + 0.5, 0, 1)
        shade = np.clip(0.86 - lit, 0, 1) ** 1.15 * depth * cover * 255
        self.image.paste(dark, box, Image.fromarray(shade.astype(np.uint8)))

    def mist(self, top: float, bottom: float, colour: RGB, strength: float) -> None:
        """Colour that thickens from nothing at `top` to `strength` at `bottom`."""
        height = max(1, round(bottom - top))
        ramp = (np.linspace(0, 1, height) ** 1.5 * 255 * strength).astype(np.uint8)
        mask = Image.fromarray(ramp[:, None]).resize((self.w, height))
        self.image.paste(colour, (0, round(top)), mask)

    def reflect(self, horizon: float, *, dim: Fill, alpha: float) -> None:
        """Turn everything above `horizon` over into what lies below it."""
        line = round(horizon)
        below = self.h - line
        upper = self.image.crop((0, max(0, line - below), self.w, line)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        upper = upper.resize((self.w, max(1, below // 3))).resize((self.w, below), Image.Resampling.BICUBIC)
        self.image.paste(upper, (0, line))
        mask = Image.new("L", (self.w, below), round(255 * alpha))
        self._paste(dim, (0, line, self.w, self.h), mask, 1.0)

    def finish(self, path: Path, rng: random.Random, *, quality: int = 90) -> None:
        """Fine grain (which also hides the steps in long gradients), a little light from the middle, then JPEG."""
        noise = np.random.default_rng(rng.getrandbits(32))
        grain = noise.standard_normal((self.h, self.w), dtype=np.float32)
        grain = (grain + np.roll(grain, 1, 0) + np.roll(grain, 1, 1)) * np.float32(1.05)
        across = np.linspace(-1, 1, self.w, dtype=np.float32)[None, :]
        down = np.linspace(-1, 1, self.h, dtype=np.float32)[:, None]
        grain += 3.0 - 8.0 * (across**2 + down**2)
        pixels = np.asarray(self.image, dtype=np.int16) + np.rint(grain).astype(np.int16)[:, :, None]
        np.clip(pixels, 0, 255, out=pixels)
        Image.fromarray(pixels.astype(np.uint8)).save(path, "JPEG", quality=quality, subsampling=0)

    def _box(self, points: Points, margin: float) -> Box | None:
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        left, top = max(0, math.floor(min(xs) - margin)), max(0, math.floor(min(ys) - margin))
        right, bottom = min(self.w, math.ceil(max(xs) + margin)), min(self.h, math.ceil(max(ys) + margin))
        return (left, top, right, bottom) if right > left and bottom > top else None

    def _shadow(self, points: Points, strength: float) -> None:
        """Blurred at a quarter of the size: nobody sees the difference, and it costs a sixteenth."""
        blur = self.u * 0.016
        moved = [(x + blur * 0.4, y + blur * 0.2) for x, y in points]
        box = self._box(moved, 3 * blur)
        if box is None:
            return
        shrink = 4
        size = (max(1, (box[2] - box[0]) // shrink), max(1, (box[3] - box[1]) // shrink))
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).polygon([((x - box[0]) / shrink, (y - box[1]) / shrink) for x, y in moved], fill=255)
        mask = mask.filter(ImageFilter.GaussianBlur(blur / shrink))
        mask = mask.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BILINEAR)
        under = self.image.crop(box)
        darker = under.point([round(value * (1 - strength)) for value in range(256)] * 3)
        self.image.paste(darker, box, mask)

    def _paste(self, fill: Fill, box: Box, mask: Image.Image, alpha: float) -> None:
        if alpha < 1.0:
            mask = mask.point([round(value * alpha) for value in range(256)])
        if isinstance(fill[0], tuple):
            top, bottom = fill[0], fill[1]
            assert isinstance(bottom, tuple)
            self.image.paste(_ramp((top, bottom), box[2] - box[0], box[3] - box[1]), box, mask)
        else:
            self.image.paste(fill, box, mask)


def _ramp(colours: Sequence[RGB], width: int, height: int) -> Image.Image:
    stops = np.linspace(0, 1, len(colours))
    at = np.linspace(0, 1, height)
    column = np.stack([np.interp(at, stops, [c[i] for c in colours]) for i in range(3)], axis=1)
    return Image.fromarray(np.rint(column).astype(np.uint8)[:, None, :]).resize((width, height))


def _polygon_mask(points: Points, box: Box, scale: int) -> Image.Image:
    mask = Image.new("L", ((box[2] - box[0]) * scale, (box[3] - box[1]) * scale))
    outline = [((x - box[0]) * scale, (y - box[1]) * scale) for x, y in points]
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    return mask.reduce(scale)


def ellipse(
    x: float, y: float, rx: float, ry: float, *, start: float = 0.0, end: float = 360.0
) -> list[tuple[float, float]]:
    steps = max(24, round(max(rx, ry) / 2))
    angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def ribbon(points: Points, start: float, end: float) -> list[tuple[float, float]]:
    left, right = [], []
    last = len(points) - 1
    for i, (x, y) in enumerate(points):
        before, after = points[max(0, i - 1)], points[min(last, i + 1)]
        dx, dy = after[0] - before[0], after[1] - before[1]
        length = math.hypot(dx, dy) or 1.0
        half = (start + (end - start) * i / max(1, last)) / 2
        left.append((x - dy / length * half, y + dx / length * half))
        right.append((x + dy / length * half, y - dx / length * half))
    return left + right[::-1]


def bezier(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], steps: int = 32
) -> list[tuple[float, float]]:
    """From a to c, drawn towards b."""
    result = []
    for i in range(steps + 1):
        t = i / steps
        one, two, three = (1 - t) ** 2, 2 * t * (1 - t), t * t
        result.append((one * a[0] + two * b[0] + three * c[0], one * a[1] + two * b[1] + three * c[1]))
    return result


def ridge(
    rng: random.Random, width: float, *, bumps: float, octaves: int = 4, rough: float = 0.5
) -> list[tuple[float, float]]:
    """A horizon line: x in pixels, y from about -1 to 1. `rough` is how much each finer octave keeps."""
    xs = np.linspace(0, width, max(64, round(width / 5)))
    ys = np.zeros_like(xs)
    gain, total = 1.0, 0.0
    for octave in range(octaves):
        knots = max(2, round(bumps * 2**octave)) + 3
        heights = np.array([rng.uniform(-1, 1) for _ in range(knots)])
        position = xs / width * (knots - 3) + 1
        index = np.floor(position).astype(int).clip(0, knots - 2)
        t = position - index
        t = t * t * (3 - 2 * t)
        ys += gain * (heights[index] * (1 - t) + heights[index + 1] * t)
        total += gain
        gain *= rough
    return list(zip(xs.tolist(), (ys / total * 1.4).tolist(), strict=True))
