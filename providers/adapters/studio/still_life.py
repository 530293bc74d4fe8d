"""Compositions indoors: things on a table, and a doorway with light in it. Same call as in landscapes."""

from __future__ import annotations

import math
import random

from .arrangements import leaf
from .canvas import Canvas, bezier, ellipse
from .colour import RGB, Palette, mix

Outline = list[tuple[float, float]]  # of the right half: distance from the axis, height above the foot; in units

PROFILES: dict[str, Outline] = {
    "vase": [(0.07, 0), (0.12, 0.04), (0.16, 0.14), (0.15, 0.24), (0.08, 0.34), (0.05, 0.40), (0.065, 0.45)],
    "bottle": [(0.075, 0), (0.085, 0.02), (0.085, 0.26), (0.07, 0.33), (0.03, 0.40), (0.028, 0.52), (0.034, 0.54)],
    "bowl": [(0.08, 0), (0.10, 0.012), (0.17, 0.07), (0.205, 0.15)],
    "jug": [(0.09, 0), (0.12, 0.03), (0.13, 0.14), (0.10, 0.26), (0.085, 0.31), (0.10, 0.36)],
    "cup": [(0.055, 0), (0.075, 0.015), (0.09, 0.08), (0.095, 0.14)],
    "jar": [(0.10, 0), (0.115, 0.02), (0.118, 0.2), (0.09, 0.25), (0.09, 0.29)],
}


def still_life(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    wall = palette.tone(4, 0.36 if palette.dark else 0.88, 0.05)
    table = palette.tone(1, 0.26 if palette.dark else 0.52, 0.09)
    canvas.backdrop(mix(wall, (255, 255, 255), 0.1), wall, mix(wall, table, 0.2))
    edge = canvas.h * 0.7
    _window_light(canvas, rng, mix(wall, (255, 250, 235), 0.5), edge)
    canvas.shape(
        [(-9, edge), (canvas.w + 9, edge), (canvas.w + 9, canvas.h + 9), (-9, canvas.h + 9)],
        (mix(table, (255, 255, 255), 0.1), mix(table, (0, 0, 0), 0.22)),
        shadow=0.12,
    )
    unit = canvas.u * 1.02
    names = rng.sample([n for n in PROFILES if n not in ("cup", "bowl")], 3) + [rng.choice(("cup", "bowl"))]
    middle, spread = canvas.w / 2, min(canvas.w * 0.8, unit * 1.15)
    places = [-0.32, -0.04, 0.24, 0.4]
    for i, name in enumerate(names):
        foot = edge + unit * ((0.05, 0.075, 0.055, 0.13)[i])
        tone = palette.tone((i + rng.randint(0, 1)) % 5, rng.uniform(0.42, 0.74), 0.095)
        x = middle + spread * places[i] + unit * rng.uniform(-0.02, 0.02)
        if name == "vase":
            _sprays(canvas, palette, rng, x, foot - unit * 0.45, unit)
        _turned(canvas, x, foot, unit, outline=PROFILES[name], colour=tone)
    for i in range(rng.randint(3, 4)):
        x = middle + spread * (-0.22 + 0.13 * i + rng.uniform(-0.03, 0.03))
        tone = palette.tone(rng.choice((0, 1, 4)), rng.uniform(0.58, 0.72), 0.13)
        _fruit(canvas, palette, x, edge + unit * rng.uniform(0.12, 0.19), unit * rng.uniform(0.048, 0.06), tone)


def _window_light(canvas: Canvas, rng: random.Random, light: RGB, edge: float) -> None:
    """What the sun throws through a window on to the wall."""
    x, wide, slant = canvas.w * rng.uniform(0.1, 0.45), canvas.u * 0.2, canvas.u * 0.12
    for column in range(2):
        for row in range(2):
            left, top = x + column * wide * 1.1, edge * 0.1 + row * edge * 0.36
            pane = [
                (left + slant * row, top),
                (left + wide + slant * row, top + wide * 0.05),
                (left + wide + slant * (row + 0.92), top + edge * 0.33),
                (left + slant * (row + 0.92), top + edge * 0.31),
            ]
            canvas.shape(pane, light, alpha=0.5)


def _turned(canvas: Canvas, x: float, foot: float, unit: float, *, outline: Outline, colour: RGB) -> None:
    """A body of revolution, lit from the left by strips of tone."""
    halves = _smooth(outline)
    widest = max(r for r, _ in halves) * unit
    canvas.shape(ellipse(x + widest * 0.5, foot, widest * 1.6, widest * 0.16), mix(colour, (0, 0, 0), 0.75), alpha=0.28)
    sag = 0.13
    right = [(x + r * unit, foot - y * unit) for r, y in halves]
    base = ellipse(x, foot, halves[0][0] * unit, halves[0][0] * unit * sag, start=180, end=0)
    body = base + right + [(2 * x - px, py) for px, py in right[::-1]]
    canvas.shape(body, colour, shadow=0.1)
    for step, (start, alpha) in enumerate(((0.25, 0.16), (0.5, 0.2), (0.74, 0.22))):
        inner = [(x + r * unit * start, foot - y * unit) for r, y in halves]
        canvas.shape(right + inner[::-1], mix(colour, (0, 0, 0), 0.45 + 0.1 * step), alpha=alpha)
    shine = [(x - r * unit * 0.72, foot - y * unit) for r, y in halves[3:-3]]
    shine += [(x - r * unit * 0.5, foot - y * unit) for r, y in halves[3:-3]][::-1]
    canvas.shape(shine, mix(colour, (255, 255, 255), 0.7), alpha=0.32)
    rim_r, rim_y = halves[-1][0] * unit, foot - halves[-1][1] * unit
    canvas.shape(ellipse(x, rim_y, rim_r, rim_r * sag), mix(colour, (255, 255, 255), 0.25))
    canvas.shape(ellipse(x, rim_y, rim_r * 0.86, rim_r * sag * 0.8), mix(colour, (0, 0, 0), 0.5))


def _smooth(outline: Outline) -> Outline:
    """Catmull-Rom through the points."""
    points = [outline[0], *outline, outline[-1]]
    result: Outline = []
    for i in range(1, len(points) - 2):
        before, a, b, after = points[i - 1 : i + 3]
        for step in range(8):
            t = step / 8
            result.append((_catmull(before[0], a[0], b[0], after[0], t), _catmull(before[1], a[1], b[1], after[1], t)))
    return [*result, outline[-1]]


def _catmull(p: float, a: float, b: float, n: float, t: float) -> float:
    return 0.5 * (2 * a + (b - p) * t + (2 * p - 5 * a + 4 * b - n) * t * t + (3 * a - p - 3 * b + n) * t**3)


def _sprays(canvas: Canvas, palette: Palette, rng: random.Random, x: float, y: float, unit: float) -> None:
    for i in range(5):
        reach = (i - 2) / 2
        tip = (x + reach * unit * 0.2, y - unit * rng.uniform(0.14, 0.25) * (1.2 - 0.4 * abs(reach)))
        stem = bezier((x, y + unit * 0.02), (x + reach * unit * 0.04, (y + tip[1]) / 2), tip, 24)
        green = palette.tone(2 + i % 3, rng.uniform(0.4, 0.62), 0.08)
        canvas.stroke(stem, unit * 0.006, green, taper=0.5)
        for k in range(8, 25, 4):
            heading = math.atan2(tip[1] - y, tip[0] - x)
            for side in (-1, 1):
                leaf(canvas, stem[k], heading + side * 0.8, unit * 0.055, green=green, slim=0.26)


def _fruit(canvas: Canvas, palette: Palette, x: float, y: float, radius: float, colour: RGB) -> None:
    canvas.shape(
        ellipse(x + radius * 0.5, y + radius * 0.9, radius * 1.35, radius * 0.26),
        mix(colour, (0, 0, 0), 0.8),
        alpha=0.28,
    )
    canvas.sphere(
        x, y, radius, mix(colour, (255, 255, 255), 0.12), light=-2.2, dark=mix(colour, (0, 0, 0), 0.65), depth=0.8
    )
    canvas.glow(x - radius * 0.35, y - radius * 0.38, radius * 0.5, mix(colour, (255, 255, 255), 0.7), 0.55)
    stalk = bezier((x, y - radius * 0.82), (x, y - radius * 1.1), (x + radius * 0.2, y - radius * 1.25), 10)
    canvas.stroke(stalk, radius * 0.1, palette.tone(1, 0.3, 0.05))
    leaf(canvas, (x, y - radius * 0.95), -0.5, radius * 0.75, green=palette.tone(3, 0.5, 0.09), slim=0.26)


def doorway(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    wall = palette.tone(1, 0.3 if palette.dark else 0.74, 0.09)
    canvas.backdrop(mix(wall, (255, 255, 255), 0.14), wall)
    floor = canvas.h * 0.74
    ground = palette.tone(0, 0.22 if palette.dark else 0.55, 0.08)
    x, half = canvas.w * rng.uniform(0.4, 0.6), canvas.u * 0.17
    far, sky = palette.tone(3, 0.93, 0.06), palette.tone(2, 0.8, 0.09)
    canvas.shape(
        [(-9, floor), (canvas.w + 9, floor), (canvas.w + 9, canvas.h + 9), (-9, canvas.h + 9)],
        (ground, mix(ground, (0, 0, 0), 0.25)),
    )
    top = floor - canvas.u * 0.5
    for step in range(4, 0, -1):
        grow = half * (1 + 0.2 * step)
        canvas.shape(
            _arch(x, floor, grow, top + half - canvas.u * 0.02 * step),
            mix(wall, (0, 0, 0), 0.07 * (4 - step) + 0.02),
            shadow=0.12,
        )
    opening = _arch(x, floor, half, top + half)
    canvas.shape(opening, (sky, far))
    canvas.disc(x + half * rng.uniform(-0.3, 0.3), floor - canvas.u * 0.2, half * 0.34, palette.tone(4, 0.97, 0.05))
    hill = [
        (x - half, floor - canvas.u * 0.09),
        *bezier(
            (x - half, floor - canvas.u * 0.09), (x, floor - canvas.u * 0.15), (x + half, floor - canvas.u * 0.06), 20
        ),
    ]
    canvas.shape(
        [*hill, (x + half, floor), (x - half, floor)], (palette.tone(4, 0.66, 0.09), palette.tone(4, 0.5, 0.09))
    )
    slant = canvas.u * rng.choice((-0.3, 0.3))
    canvas.shape(
        [
            (x - half, floor),
            (x + half, floor),
            (x + half * 1.7 + slant, canvas.h + 9),
            (x - half * 1.3 + slant, canvas.h + 9),
        ],
        (far, mix(ground, far, 0.35)),
        alpha=0.75,
    )
    _steps(canvas, x, floor, half * 1.9, mix(wall, (255, 255, 255), 0.12))
    for side in (-1, 1):
        _pot(canvas, palette, rng, x + side * (half * 2.5), floor + canvas.u * 0.06)


def _arch(x: float, floor: float, half: float, spring: float) -> list[tuple[float, float]]:
    return [(x - half, floor), *ellipse(x, spring, half, half, start=180, end=360), (x + half, floor)]


def _steps(canvas: Canvas, x: float, floor: float, half: float, colour: RGB) -> None:
    for step in range(3):
        wide, y, tall = half * (0.62 + 0.16 * step), floor + canvas.u * 0.028 * step, canvas.u * 0.028
        tone = mix(colour, (0, 0, 0), 0.1 * step)
        canvas.shape(
            [(x - wide, y), (x + wide, y), (x + wide, y + tall), (x - wide, y + tall)],
            (tone, mix(tone, (0, 0, 0), 0.14)),
            shadow=0.14,
        )


def _pot(canvas: Canvas, palette: Palette, rng: random.Random, x: float, foot: float) -> None:
    unit = canvas.u * 0.62
    for i in range(9):
        angle = -math.pi / 2 + (i - 4) * 0.27 + rng.uniform(-0.06, 0.06)
        green = palette.tone(2 + i % 3, rng.uniform(0.38, 0.6), 0.09)
        leaf(canvas, (x, foot - unit * 0.24), angle, unit * rng.uniform(0.2, 0.32), green=green, slim=0.14)
    _turned(canvas, x, foot, unit, outline=PROFILES["jar"], colour=palette.tone(1, 0.5, 0.1))
