"""Compositions of things and of pure shape. Same call as in landscapes."""

from __future__ import annotations

import math
import random

from .canvas import Canvas, bezier, ellipse, ridge
from .colour import RGB, Palette, mix
from .landscapes import band, clouds, orb, sky, stars


def skyline(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    _, low = sky(canvas, palette)
    if palette.dark:
        stars(canvas, rng, palette.tone(4, 0.95, 0.03), below=0.45, count=70)
    orb(canvas, palette, rng, canvas.w * rng.uniform(0.25, 0.75), canvas.h * rng.uniform(0.24, 0.38), canvas.u * 0.11)
    clouds(canvas, rng, low, top=0.12, bottom=0.4, count=4)
    near = palette.tone(0, 0.2 if palette.dark else 0.32, 0.06)
    lamp = palette.tone(4, 0.92, 0.09)
    for layer, share in enumerate((0.3, 0.6, 1.0)):
        colour = mix(low, mix(palette.tone(layer, 0.5, 0.07), near, share), 0.3 + 0.65 * share)
        _street(canvas, rng, layer, colour=colour, lamp=mix(colour, lamp, 0.35 + 0.6 * share))
        canvas.mist(canvas.h * 0.6, canvas.h, mix(low, colour, 0.25), 0.4 * (1 - share))


def _street(canvas: Canvas, rng: random.Random, layer: int, *, colour: RGB, lamp: RGB) -> None:
    x = -canvas.u * rng.uniform(0, 0.1)
    while x < canvas.w:
        wide = canvas.u * rng.uniform(0.07, 0.15) * (0.8 + 0.25 * layer)
        tall = canvas.u * rng.triangular(0.12, 0.62, 0.26) * (1.12 - 0.22 * layer)
        top = canvas.h * (0.86 + 0.06 * layer) - tall
        face = mix(colour, (0, 0, 0), rng.uniform(0, 0.14))
        _house(canvas, rng, x, top, wide, face=face)
        if layer:
            _windows(canvas, rng, x, top, wide, lamp=lamp, dark=mix(face, (0, 0, 0), 0.22), lit=0.2 + 0.15 * layer)
        x += wide * rng.uniform(0.98, 1.2)


def _house(canvas: Canvas, rng: random.Random, x: float, top: float, wide: float, *, face: RGB) -> None:
    roof = rng.choice(("flat", "flat", "step", "slant", "spire", "dome"))
    right, floor = x + wide, canvas.h + 9
    outline = [(x, floor), (x, top), (right, top), (right, floor)]
    if roof == "slant":
        outline[1:3] = [(x, top - wide * 0.3), (right, top)]
    elif roof == "step":
        outline[1:3] = [
            (x, top),
            (x + wide * 0.2, top),
            (x + wide * 0.2, top - wide * 0.35),
            (right - wide * 0.2, top - wide * 0.35),
            (right - wide * 0.2, top),
            (right, top),
        ]
    elif roof == "spire":
        outline[1:3] = [
            (x, top),
            (x + wide * 0.35, top - wide * 0.2),
            (x + wide * 0.5, top - wide * 1.0),
            (x + wide * 0.65, top - wide * 0.2),
            (right, top),
        ]
    elif roof == "dome":
        outline[1:3] = ellipse(x + wide / 2, top, wide / 2, wide * 0.4, start=180, end=360)
    canvas.shape(outline, face, shadow=0.1)
    canvas.shape(
        [(x + wide * 0.72, floor), (x + wide * 0.72, top), (right, top), (right, floor)],
        mix(face, (0, 0, 0), 0.16),
        alpha=0.8,
    )


def _windows(
    canvas: Canvas, rng: random.Random, x: float, top: float, wide: float, *, lamp: RGB, dark: RGB, lit: float
) -> None:
    columns = rng.choice((3, 4, 5))
    pitch = wide / (columns + 0.6)
    y = top + pitch * 0.7
    while y < canvas.h:
        for column in range(columns):
            left = x + pitch * (column + 0.5)
            pane = [(left, y), (left + pitch * 0.5, y), (left + pitch * 0.5, y + pitch * 0.7), (left, y + pitch * 0.7)]
            canvas.shape(pane, lamp if rng.random() < lit else dark, alpha=0.9)
        y += pitch * 1.25


def botanical(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    paper = palette.tone(4, 0.3 if palette.dark else 0.94, 0.035)
    canvas.backdrop(mix(paper, (255, 255, 255), 0.12), paper, mix(paper, palette.tone(3, 0.7, 0.07), 0.25))
    x, y = canvas.w * rng.uniform(0.4, 0.6), canvas.h * 0.44
    disc = palette.tone(rng.choice((0, 1)), 0.72, 0.11)
    canvas.disc(x, y, canvas.u * 0.31, (mix(disc, paper, 0.15), disc), shadow=0.1)
    spread = max(1.0, canvas.w / canvas.h * 0.75)
    stems = round(9 * spread)
    for i in sorted(range(stems), key=lambda _: rng.random()):
        reach = (i + 0.5) / stems - 0.5
        foot = (canvas.w / 2 + reach * canvas.u * 0.5, canvas.h + 10)
        tip = (
            canvas.w / 2 + reach * canvas.u * 1.15 * spread + rng.gauss(0, 0.03) * canvas.u,
            canvas.h * (0.14 + 0.9 * reach**2) + rng.uniform(0, 0.26) * canvas.h,
        )
        green = palette.tone(2 + i % 3, rng.uniform(0.36, 0.66), 0.085)
        _plant(
            canvas, palette, rng, foot=foot, tip=tip, green=green, kind=rng.choice(("leaf", "leaf", "fern", "bloom"))
        )


def _plant(
    canvas: Canvas,
    palette: Palette,
    rng: random.Random,
    *,
    foot: tuple[float, float],
    tip: tuple[float, float],
    green: RGB,
    kind: str,
) -> None:
    bend = (foot[0] + (tip[0] - foot[0]) * 0.15, foot[1] + (tip[1] - foot[1]) * 0.65)
    stem = bezier(foot, bend, tip, 40)
    canvas.stroke(stem, canvas.u * 0.009, green, taper=0.3)
    if kind == "bloom":
        _flower(canvas, palette, rng, tip, canvas.u * rng.uniform(0.045, 0.08))
    count = 13 if kind == "fern" else 7
    for i in range(count):
        t = 0.3 + 0.68 * (i + 1) / count
        at = stem[min(39, round(t * 40))]
        ahead = stem[min(40, round(t * 40) + 1)]
        heading = math.atan2(ahead[1] - at[1], ahead[0] - at[0])
        size = canvas.u * (0.16 if kind != "fern" else 0.1) * (1.15 - 0.75 * t) * rng.uniform(0.85, 1.15)
        for side in (-1, 1):
            angle = heading + side * rng.uniform(0.6, 0.95)
            leaf(
                canvas,
                at,
                angle,
                size,
                green=mix(green, (0, 0, 0), 0.1 if side > 0 else 0.0),
                slim=0.16 if kind == "fern" else 0.26,
            )


def leaf(canvas: Canvas, at: tuple[float, float], angle: float, size: float, *, green: RGB, slim: float) -> None:
    tip = (at[0] + math.cos(angle) * size, at[1] + math.sin(angle) * size)
    out = (-math.sin(angle) * size * slim * 2, math.cos(angle) * size * slim * 2)
    middle = (at[0] + (tip[0] - at[0]) * 0.42, at[1] + (tip[1] - at[1]) * 0.42)
    one = bezier(at, (middle[0] + out[0], middle[1] + out[1]), tip, 14)
    other = bezier(tip, (middle[0] - out[0], middle[1] - out[1]), at, 14)
    canvas.shape(one + other, green, shadow=0.08)
    canvas.shape([*one, at], mix(green, (255, 255, 255), 0.14))


def _flower(canvas: Canvas, palette: Palette, rng: random.Random, at: tuple[float, float], size: float) -> None:
    petal = palette.tone(rng.choice((0, 1, 4)), rng.uniform(0.72, 0.88), 0.11)
    count, turn = rng.choice((6, 8, 9)), rng.uniform(0, 1)
    for i in range(count):
        angle = turn + i * 2 * math.pi / count
        leaf(canvas, at, angle, size, green=mix(petal, (255, 255, 255), 0.1 * (i % 2)), slim=0.3)
    canvas.disc(*at, size * 0.26, palette.tone(3, 0.55, 0.1), shadow=0.15)


def waves(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    """Sheets of cut paper, one behind another, each edge in gentle motion."""
    light = palette.tone(4, 0.96, 0.04)
    canvas.backdrop(palette.tone(3, 0.9, 0.06), light)
    canvas.disc(
        canvas.w * rng.choice((0.3, 0.66)), canvas.h * 0.27, canvas.u * 0.15, palette.tone(0, 0.82, 0.1), shadow=0.1
    )
    layers = 9
    phase, drift = rng.uniform(0, 6.28), rng.choice((-1, 1)) * rng.uniform(0.7, 1.1)
    for layer in range(layers):
        depth = layer / (layers - 1)
        colour = palette.tone(round(4 - 4 * depth), 0.88 - 0.58 * depth, 0.06 + 0.05 * math.sin(depth * 3.1))
        base, swing = canvas.h * (0.33 + 0.6 * depth), canvas.u * (0.055 + 0.03 * math.sin(layer * 1.7))
        line = [
            (
                x,
                math.sin(x / canvas.u * 3.6 + phase + layer * drift)
                + 0.35 * math.sin(x / canvas.u * 7.9 + layer * 2.1),
            )
            for x in map(float, range(-12, canvas.w + 13, 6))
        ]
        canvas.shape(
            band(canvas, line, base, swing),
            (mix(colour, (255, 255, 255), 0.12), mix(colour, (0, 0, 0), 0.06)),
            shadow=0.26,
        )


def orbits(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    canvas.backdrop(palette.tone(0, 0.19, 0.06), palette.tone(1, 0.23, 0.07), palette.tone(2, 0.34, 0.09))
    stars(canvas, rng, palette.tone(4, 0.96, 0.03), below=1.0, count=190)
    x, y = canvas.w * rng.uniform(0.38, 0.62), canvas.h * rng.uniform(0.44, 0.56)
    radius = canvas.u * rng.uniform(0.17, 0.22)
    canvas.glow(x, y, radius * 3.0, palette.tone(3, 0.6, 0.12), 0.55)
    tilt = rng.uniform(-0.45, 0.45)
    paths = [radius * factor for factor in (1.75, 2.25, 2.9, 3.7)]
    line = palette.tone(4, 0.8, 0.05)
    _planet(canvas, palette, rng, x, y, radius, light=rng.choice((-1, 1)))
    for path in paths:
        ring = [_turn(x, y, path * math.cos(a / 90), path * 0.3 * math.sin(a / 90), tilt) for a in range(567)]
        behind = [a for a, p in enumerate(ring) if math.sin(a / 90) < 0 and math.dist(p, (x, y)) < radius]
        _dashes(canvas, [p for a, p in enumerate(ring) if a not in set(behind)], line)
    for path in paths:
        angle = rng.uniform(0, math.pi)
        at = _turn(x, y, path * math.cos(angle), path * 0.3 * math.sin(angle), tilt)
        size = radius * rng.uniform(0.1, 0.24)
        tone = palette.tone(rng.randint(0, 4), 0.72, 0.1)
        canvas.glow(*at, size * 2.6, tone, 0.5)
        _ball(canvas, *at, size, tone)


def _turn(x: float, y: float, dx: float, dy: float, tilt: float) -> tuple[float, float]:
    return x + dx * math.cos(tilt) - dy * math.sin(tilt), y + dx * math.sin(tilt) + dy * math.cos(tilt)


def _dashes(canvas: Canvas, points: list[tuple[float, float]], colour: RGB) -> None:
    piece: list[tuple[float, float]] = []
    for point in points:
        if piece and math.dist(piece[-1], point) > canvas.u * 0.05:
            _dash(canvas, piece, colour)
            piece = []
        piece.append(point)
    _dash(canvas, piece, colour)


def _dash(canvas: Canvas, piece: list[tuple[float, float]], colour: RGB) -> None:
    for i in range(0, len(piece) - 1, 24):
        canvas.stroke(piece[i : i + 25], canvas.u * 0.0024, colour, alpha=0.6)


def _planet(
    canvas: Canvas, palette: Palette, rng: random.Random, x: float, y: float, radius: float, *, light: int
) -> None:
    base = palette.tone(3, 0.72, 0.11)
    canvas.disc(x, y, radius, (mix(base, (255, 255, 255), 0.18), base))
    edge = -0.9
    for i in range(7):
        top, low = edge, min(0.92, edge + rng.uniform(0.06, 0.3))
        right = [(x + math.cos(math.asin(s)) * radius, y + s * radius) for s in _steps(top, low)]
        left = [(2 * x - px, py) for px, py in right][::-1]
        canvas.shape(right + left, palette.tone(i % 5, rng.uniform(0.58, 0.86), 0.1), alpha=0.75)
        edge = low + rng.uniform(0.02, 0.1)
        if edge > 0.85:
            break
    angle = math.pi * 0.78 if light < 0 else math.pi * 0.22
    canvas.sphere(x, y, radius, None, light=-angle, dark=palette.tone(0, 0.14, 0.05), depth=0.95)


def _steps(start: float, end: float) -> list[float]:
    return [start + (end - start) * i / 12 for i in range(13)]


def _ball(canvas: Canvas, x: float, y: float, radius: float, colour: RGB) -> None:
    canvas.sphere(
        x, y, radius, mix(colour, (255, 255, 255), 0.18), light=-2.3, dark=mix(colour, (0, 0, 0), 0.7), depth=0.85
    )
    canvas.glow(x - radius * 0.34, y - radius * 0.36, radius * 0.5, mix(colour, (255, 255, 255), 0.7), 0.7)


def terraces(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    """Looking down through holes cut into a stack of paper."""
    x, y = canvas.w * rng.uniform(0.42, 0.58), canvas.h * rng.uniform(0.44, 0.56)
    canvas.backdrop(palette.tone(4, 0.95, 0.04), palette.tone(4, 0.9, 0.06))
    layers = 8
    waviness = [(k, rng.uniform(0.04, 0.17) / k**0.55, rng.uniform(0, 6.28)) for k in (2, 3, 4, 5, 7)]
    for layer in range(layers):
        depth = layer / (layers - 1)
        colour = palette.tone(round(4 - depth * 4), 0.86 - 0.6 * depth, 0.07 + 0.045 * math.sin(depth * math.pi))
        size = 0.56 * (1 - depth) ** 0.85 + 0.05
        hole = []
        for i in range(241):
            a = i / 240 * 2 * math.pi
            r = size * (1 + sum(gain * math.sin(k * a + phase + depth * 1.4) for k, gain, phase in waviness))
            hole.append((x + math.cos(a) * r * canvas.w * 0.98, y + math.sin(a) * r * canvas.h * 0.98))
        _cut(canvas, hole, colour)
    canvas.glow(x, y, canvas.u * 0.16, palette.tone(4, 0.9, 0.08), 0.55)


def _cut(canvas: Canvas, hole: list[tuple[float, float]], colour: RGB) -> None:
    """A hole is lit from the upper left: its own rim shades it there, and catches light on the far side."""
    shift = canvas.u * 0.011
    canvas.shape(hole, mix(colour, (0, 0, 0), 0.4))
    for step in (0.35, 0.7, 1.0):
        inner = [(px + shift * step, py + shift * step) for px, py in hole]
        xs, ys = [p[0] for p in hole], [p[1] for p in hole]
        cx, cy = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
        inner = [(cx + (px - cx) * (1 - 0.012 * step), cy + (py - cy) * (1 - 0.012 * step)) for px, py in inner]
        canvas.shape(inner, mix(colour, (0, 0, 0), 0.28 * (1 - step)), alpha=0.5 if step < 1 else 1.0)


def arcs(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    paper = palette.tone(4, 0.94, 0.035)
    canvas.backdrop(paper, mix(paper, palette.tone(3, 0.85, 0.06), 0.4))
    floor = canvas.h * rng.uniform(0.8, 0.88)
    spots = [(rng.uniform(0.16, 0.34), 0.26), (rng.uniform(0.68, 0.86), 0.33), (rng.uniform(0.42, 0.58), 0.46)]
    canvas.disc(
        canvas.w * rng.uniform(0.15, 0.85), canvas.h * 0.17, canvas.u * 0.07, palette.tone(1, 0.78, 0.12), shadow=0.12
    )
    for order, (share, size) in enumerate(spots):
        _rainbow(
            canvas, palette, canvas.w * share, floor + canvas.u * 0.03 * order, canvas.u * size, first=rng.randint(0, 4)
        )
    ground = palette.tone(0, 0.42, 0.08)
    line = ridge(rng, canvas.w, bumps=1.5, octaves=2)
    canvas.shape(
        band(canvas, line, floor + canvas.u * 0.055, canvas.u * 0.02),
        (ground, mix(ground, (0, 0, 0), 0.2)),
        shadow=0.25,
    )
    for _ in range(3):
        at = (canvas.w * rng.uniform(0.06, 0.94), floor + canvas.u * rng.uniform(0.05, 0.09))
        _ball(canvas, at[0], at[1], canvas.u * rng.uniform(0.02, 0.04), palette.tone(rng.randint(1, 4), 0.75, 0.1))


def _rainbow(canvas: Canvas, palette: Palette, x: float, floor: float, radius: float, *, first: int) -> None:
    rings = 5
    for ring in range(rings):
        r = radius * (1 - ring / (rings + 0.6))
        colour = palette.tone(first + ring, (0.62, 0.86, 0.5, 0.78, 0.4)[(first + ring) % 5], 0.1)
        arch = [
            (x - r, floor + canvas.h),
            *ellipse(x, floor - r * 0.15, r, r, start=180, end=360),
            (x + r, floor + canvas.h),
        ]
        canvas.shape(arch, colour, shadow=0.2)
