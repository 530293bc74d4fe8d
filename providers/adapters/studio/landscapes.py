"""Compositions out of doors. Each takes an empty canvas, a palette and chance, and leaves a finished picture."""

from __future__ import annotations

import math
import random

from .canvas import Canvas, bezier, ellipse, ridge
from .colour import RGB, Palette, mix


def sky(canvas: Canvas, palette: Palette) -> tuple[RGB, RGB]:
    """Top and horizon colour, already painted."""
    if palette.dark:
        top, low = palette.tone(0, 0.24, 0.06), palette.tone(2, 0.52, 0.09)
    else:
        top, low = palette.tone(0, 0.80, 0.07), palette.tone(3, 0.94, 0.05)
    canvas.backdrop(top, mix(top, low, 0.45), low, low)
    return top, low


def orb(canvas: Canvas, palette: Palette, rng: random.Random, x: float, y: float, radius: float) -> RGB:
    """The sun, or by night the moon, with its glow."""
    colour = palette.tone(4, 0.95, 0.04) if palette.dark else palette.tone(4, 0.97, 0.06)
    canvas.glow(x, y, radius * 4.5, colour, 0.55 if palette.dark else 0.8)
    canvas.disc(x, y, radius, colour)
    if palette.dark:
        for _ in range(4):
            angle, far, size = rng.uniform(0, 6.28), rng.uniform(0, 0.65), rng.uniform(0.08, 0.2) * radius
            spot = (x + math.cos(angle) * far * radius, y + math.sin(angle) * far * radius)
            canvas.disc(*spot, size, mix(colour, palette.tone(1, 0.7, 0.03), 0.35))
    return colour


def stars(canvas: Canvas, rng: random.Random, colour: RGB, *, below: float, count: int = 110) -> None:
    for _ in range(count):
        size = canvas.u * rng.choice((0.0012, 0.0012, 0.0016, 0.0026))
        x, y = rng.uniform(0, canvas.w), canvas.h * below * rng.random() ** 1.4
        canvas.disc(x, y, size, colour, alpha=rng.uniform(0.35, 0.95))


def clouds(canvas: Canvas, rng: random.Random, colour: RGB, *, top: float, bottom: float, count: int) -> None:
    """Long flat ones, lens-shaped, in groups."""
    for _ in range(count):
        x, y = rng.uniform(0, canvas.w), canvas.h * rng.uniform(top, bottom)
        length = canvas.u * rng.uniform(0.18, 0.5)
        for step in range(3):
            shift = rng.uniform(-0.4, 0.4) * length
            lens = ellipse(x + shift, y + step * canvas.u * 0.014, length * (0.5 - step * 0.1), canvas.u * 0.008)
            canvas.shape(lens, colour, alpha=0.42)


def birds(canvas: Canvas, rng: random.Random, colour: RGB, *, y: float) -> None:
    x = canvas.w * rng.uniform(0.2, 0.7)
    for _ in range(rng.randint(3, 6)):
        bx, by = x + canvas.u * rng.uniform(-0.14, 0.14), y + canvas.u * rng.uniform(-0.07, 0.07)
        span = canvas.u * rng.uniform(0.012, 0.022)
        for side in (-1, 1):
            wing = bezier(
                (bx, by), (bx + side * span * 0.5, by - span * 0.75), (bx + side * span, by - span * 0.15), 10
            )
            canvas.stroke(wing, span * 0.2, colour, taper=0.25)


def band(canvas: Canvas, line: list[tuple[float, float]], base: float, swing: float) -> list[tuple[float, float]]:
    """From a ridge down to the lower edge."""
    top = [(x, base + y * swing) for x, y in line]
    return [(-9, top[0][1]), *top, (canvas.w + 9, top[-1][1]), (canvas.w + 9, canvas.h + 9), (-9, canvas.h + 9)]


def conifer(canvas: Canvas, x: float, foot: float, height: float, colour: RGB) -> None:
    tiers = 4
    points: list[tuple[float, float]] = [(x, foot - height)]
    for side in (1, -1):
        order = range(tiers) if side == 1 else range(tiers - 1, -1, -1)
        for tier in order:
            y = foot - height * (1 - (tier + 1) / tiers * 0.93)
            wide, narrow = height * 0.075 * (tier + 1.4), height * 0.03 * (tier + 1.0)
            pair = [(x + side * wide, y), (x + side * narrow, y - height * 0.015)]
            points += pair if side == 1 else pair[::-1]
    canvas.shape(points, colour)


def hills(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    _, low = sky(canvas, palette)
    side = rng.choice((0.28, 0.68))
    if palette.dark:
        stars(canvas, rng, palette.tone(4, 0.95, 0.03), below=0.5)
    orb(canvas, palette, rng, canvas.w * side, canvas.h * rng.uniform(0.2, 0.34), canvas.u * rng.uniform(0.06, 0.09))
    clouds(canvas, rng, low, top=0.12, bottom=0.36, count=4)
    near = palette.tone(0, 0.20 if palette.dark else 0.36, 0.06)
    layers = 6
    for layer in range(layers):
        depth = (layer + 1) / layers
        colour = mix(low, mix(palette.tone(layer % 3, 0.55, 0.08), near, depth), 0.22 + 0.78 * depth)
        base = canvas.h * (0.42 + 0.46 * depth**1.15)
        line = ridge(rng, canvas.w, bumps=1.3 + layer * 0.35, octaves=5 if layer < 2 else 4, rough=0.42)
        canvas.shape(band(canvas, line, base, canvas.u * 0.115), (colour, mix(colour, low, 0.38)), shadow=0.14)
        if layer == layers - 2:
            _grove(canvas, rng, line, base, colour=mix(colour, near, 0.55))
    if not palette.dark:
        birds(canvas, rng, near, y=canvas.h * 0.25)


def _grove(canvas: Canvas, rng: random.Random, line: list[tuple[float, float]], base: float, *, colour: RGB) -> None:
    for centre in (rng.uniform(0.05, 0.4), rng.uniform(0.55, 0.95)):
        for _ in range(7):
            x, y = line[min(len(line) - 1, max(0, round((centre + rng.gauss(0, 0.045)) * len(line))))]
            foot = base + y * canvas.u * 0.115 + canvas.u * 0.012
            conifer(canvas, x, foot, canvas.u * rng.uniform(0.06, 0.11), colour)


def sea(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    _, low = sky(canvas, palette)
    horizon = canvas.h * rng.uniform(0.52, 0.6)
    x, radius = canvas.w * rng.uniform(0.36, 0.64), canvas.u * rng.uniform(0.1, 0.14)
    if palette.dark:
        stars(canvas, rng, palette.tone(4, 0.95, 0.03), below=0.45)
    light = orb(canvas, palette, rng, x, horizon - radius * rng.uniform(0.25, 1.3), radius)
    clouds(canvas, rng, mix(low, light, 0.6), top=0.1, bottom=0.45, count=6)
    far = mix(low, palette.tone(1, 0.45, 0.09), 0.62)
    deep = palette.tone(0, 0.22 if palette.dark else 0.36, 0.08)
    water = [(-9, horizon), (canvas.w + 9, horizon), (canvas.w + 9, canvas.h + 9), (-9, canvas.h + 9)]
    canvas.shape(water, (far, deep))
    _glitter(canvas, rng, x, horizon, radius, light=light)
    _swell(canvas, rng, horizon, far, deep)
    _sail(canvas, rng, canvas.w * rng.choice((0.2, 0.8)), horizon, mix(light, low, 0.3), deep)
    birds(canvas, rng, mix(deep, low, 0.25), y=canvas.h * 0.22)


def _glitter(canvas: Canvas, rng: random.Random, x: float, horizon: float, radius: float, *, light: RGB) -> None:
    rows = 34
    for row in range(rows):
        t = (row + 0.6) / rows
        y = horizon + (canvas.h - horizon) * t**1.5
        wide = radius * (1.0 - 0.3 * t) * rng.uniform(0.35, 1.05)
        lens = ellipse(x + rng.gauss(0, 0.2) * radius, y, wide, canvas.u * (0.0015 + 0.006 * t))
        canvas.shape(lens, light, alpha=0.8 - 0.5 * t)


def _swell(canvas: Canvas, rng: random.Random, horizon: float, far: RGB, deep: RGB) -> None:
    for row in range(46):
        t = rng.random()
        y = horizon + (canvas.h - horizon) * t**1.3
        long = canvas.u * (0.03 + 0.14 * t) * rng.uniform(0.6, 1.5)
        colour = mix(far, (255, 255, 255), 0.25) if row % 2 else mix(deep, (0, 0, 0), 0.15)
        canvas.shape(ellipse(rng.uniform(0, canvas.w), y, long, canvas.u * (0.001 + 0.004 * t)), colour, alpha=0.3)


def _sail(canvas: Canvas, rng: random.Random, x: float, horizon: float, light: RGB, deep: RGB) -> None:
    size = canvas.u * rng.uniform(0.05, 0.085)
    foot = horizon + size * 0.12
    canvas.shape([(x, foot - size), (x, foot - size * 0.12), (x - size * 0.5, foot - size * 0.12)], light)
    canvas.shape(
        [
            (x + size * 0.05, foot - size * 0.85),
            (x + size * 0.4, foot - size * 0.12),
            (x + size * 0.05, foot - size * 0.12),
        ],
        mix(light, deep, 0.25),
    )
    hull = [
        (x - size * 0.5, foot - size * 0.06),
        (x + size * 0.48, foot - size * 0.06),
        (x + size * 0.3, foot + size * 0.08),
        (x - size * 0.32, foot + size * 0.08),
    ]
    canvas.shape(hull, deep)


def lake(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    _, low = sky(canvas, palette)
    horizon = canvas.h * rng.uniform(0.58, 0.64)
    if palette.dark:
        stars(canvas, rng, palette.tone(4, 0.95, 0.03), below=0.5)
    sun = canvas.w * rng.uniform(0.15, 0.85)
    orb(canvas, palette, rng, sun, canvas.h * 0.2, canvas.u * 0.05)
    clouds(canvas, rng, low, top=0.1, bottom=0.3, count=4)
    for layer, (height, lightness) in enumerate(((0.40, 0.70), (0.30, 0.54))):
        tone = palette.tone(layer, lightness - (0.22 if palette.dark else 0), 0.07)
        _range(
            canvas,
            rng,
            horizon,
            canvas.h * height,
            base=mix(tone, low, 0.35 - 0.2 * layer),
            snow=mix(low, (255, 255, 255), 0.45),
            lit_left=sun < canvas.w / 2,
        )
    shore = palette.tone(1, 0.24 if palette.dark else 0.38, 0.06)
    line = ridge(rng, canvas.w, bumps=4, octaves=5, rough=0.6)
    low_shore = [(x, horizon - canvas.u * 0.022 + y * canvas.u * 0.012) for x, y in line]
    canvas.shape([*low_shore, (canvas.w, horizon + 2), (0, horizon + 2)], shore)
    for x, y in rng.sample(low_shore, min(26, len(low_shore))):
        conifer(canvas, x, y + canvas.u * 0.012, canvas.u * rng.uniform(0.04, 0.085), shore)
    canvas.reflect(
        horizon, dim=(mix(shore, low, 0.6), palette.tone(0, 0.2 if palette.dark else 0.34, 0.07)), alpha=0.42
    )
    _swell(canvas, rng, horizon, mix(low, shore, 0.3), shore)


def _range(
    canvas: Canvas, rng: random.Random, foot: float, height: float, *, base: RGB, snow: RGB, lit_left: bool
) -> None:
    """Peaks with a light and a shaded face."""
    count = rng.randint(3, 4)
    shade, light = mix(base, (0, 0, 0), 0.18), mix(base, snow, 0.3)
    for i in sorted(range(count), key=lambda _: rng.random()):
        x = canvas.w * ((i + 0.5) / count + rng.uniform(-0.08, 0.08))
        tall = height * rng.uniform(0.65, 1.0)
        half = max(tall * rng.uniform(0.9, 1.25), canvas.w / count * 0.62)
        top = (x, foot - tall)
        edge = _jagged(rng, top, (x + rng.uniform(-0.12, 0.12) * half, foot), swing=half * 0.06)
        left = _jagged(rng, (x - half, foot), top, swing=half * 0.03)
        right = _jagged(rng, top, (x + half, foot), swing=half * 0.03)
        faces = (light, shade) if lit_left else (shade, light)
        canvas.shape([*left, *right], (faces[1], mix(faces[1], snow, 0.3)))
        canvas.shape([*left, *edge], (faces[0], mix(faces[0], snow, 0.3)))
        cap = 0.26
        capped = [p for p in left if p[1] < foot - tall * (1 - cap)] + [
            p for p in right if p[1] < foot - tall * (1 - cap)
        ]
        (ax, ay), (bx, by) = capped[-1], capped[0]
        hem = [
            (
                ax + (bx - ax) * (t + 0.6) / 8,
                ay + (by - ay) * t / 8 + tall * (rng.uniform(0.05, 0.09) if t % 2 else 0.005),
            )
            for t in range(8)
        ]
        canvas.shape(capped + hem, snow, alpha=0.85)
        inner = [p for p in edge if p[1] < foot - tall * (1 - cap * 0.8)]
        sheltered = [p for p in (right if lit_left else left) if p[1] < foot - tall * (1 - cap * 0.8)]
        canvas.shape(inner + (sheltered if not lit_left else sheltered[::-1]), shade, alpha=0.3)


def _jagged(
    rng: random.Random, a: tuple[float, float], b: tuple[float, float], *, swing: float
) -> list[tuple[float, float]]:
    steps = 11
    points = []
    for i in range(steps + 1):
        t = i / steps
        wander = 0.0 if i in (0, steps) else rng.uniform(-swing, swing)
        points.append((a[0] + (b[0] - a[0]) * t + wander, a[1] + (b[1] - a[1]) * t))
    return points


def dunes(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    _, low = sky(canvas, palette)
    if palette.dark:
        stars(canvas, rng, palette.tone(4, 0.95, 0.03), below=0.5)
    orb(canvas, palette, rng, canvas.w * rng.uniform(0.2, 0.8), canvas.h * rng.uniform(0.2, 0.3), canvas.u * 0.075)
    layers = 5
    for layer in range(layers):
        depth = (layer + 1) / layers
        lit = mix(low, palette.tone(3, 0.76 - 0.1 * depth - (0.25 if palette.dark else 0), 0.1), 0.3 + 0.7 * depth)
        dim = mix(lit, palette.tone(1, 0.34, 0.09), 0.42 + 0.25 * depth)
        base = canvas.h * (0.45 + 0.44 * depth**1.2)
        line = ridge(rng, canvas.w, bumps=1.1 + 0.25 * layer, octaves=2, rough=0.35)
        canvas.shape(band(canvas, line, base, canvas.u * 0.15), (lit, mix(lit, dim, 0.35)), shadow=0.1)
        _lee(canvas, line, base, dim=dim)


def _lee(canvas: Canvas, line: list[tuple[float, float]], base: float, *, dim: RGB) -> None:
    """The side away from the sun: from each crest along the ridge to the next hollow, and back in one sweep."""
    slope = [(x, base + y * canvas.u * 0.15) for x, y in line]
    reach = 8
    crests = [
        i for i in range(len(slope)) if slope[i][1] == min(p[1] for p in slope[max(0, i - reach) : i + reach + 1])
    ]
    for i in crests:
        end = i
        while end + 1 < len(slope) and slope[end + 1][1] >= slope[end][1]:
            end += 1
        crest, hollow = slope[i], slope[end]
        wide, drop = hollow[0] - crest[0], hollow[1] - crest[1]
        if drop < max(canvas.u * 0.03, wide * 0.14):  # too flat to throw a shadow
            continue
        foot = (hollow[0] + wide * 0.15, hollow[1] + drop * 0.9)
        back = bezier(
            foot, (crest[0] + wide * 0.28, hollow[1] + drop * 0.5), (crest[0] + wide * 0.1, hollow[1] - drop * 0.25)
        )
        rise = bezier(back[-1], (crest[0] - wide * 0.05, crest[1] + drop * 0.45), crest)
        canvas.shape([*slope[i : end + 1], *back, *rise], (dim, mix(dim, (255, 235, 220), 0.12)))


def forest(canvas: Canvas, palette: Palette, rng: random.Random) -> None:
    light = palette.tone(4, 0.62 if palette.dark else 0.93, 0.06)
    deep = palette.tone(0, 0.17 if palette.dark else 0.27, 0.05)
    canvas.backdrop(mix(light, palette.tone(1, 0.7, 0.06), 0.45), light, mix(light, palette.tone(2, 0.6, 0.07), 0.5))
    x = canvas.w * rng.uniform(0.3, 0.7)
    canvas.glow(x, canvas.h * 0.3, canvas.u * 0.75, palette.tone(4, 0.98, 0.05), 0.8)
    layers = 5
    for layer in range(layers):
        depth = (layer + 1) / layers
        colour = mix(light, mix(palette.tone(layer, 0.45, 0.07), deep, depth), 0.15 + 0.8 * depth)
        _trunks(canvas, rng, depth, colour)
        ground = ridge(rng, canvas.w, bumps=2 + layer, octaves=4)
        base = canvas.h * (0.68 + 0.24 * depth)
        canvas.shape(band(canvas, ground, base, canvas.u * 0.025), (colour, mix(colour, deep, 0.4)))
        canvas.mist(canvas.h * 0.45, canvas.h * (0.7 + 0.24 * depth), light, 0.4 * (1 - depth))
        if layer == 2:
            _beams(canvas, rng, x, colour=palette.tone(4, 0.97, 0.05))
    _ferns(canvas, rng, deep)


def _trunks(canvas: Canvas, rng: random.Random, depth: float, colour: RGB) -> None:
    count = round((19 - 13 * depth) * max(0.5, canvas.w / canvas.h) ** 0.6)
    for i in range(count):
        x = canvas.w * (i + rng.uniform(0.1, 0.9)) / count
        wide = canvas.u * (0.008 + 0.042 * depth**1.6) * rng.uniform(0.7, 1.3)
        foot = canvas.h * (0.72 + 0.24 * depth)
        lean = rng.uniform(-0.035, 0.035) * canvas.h
        stem = bezier((x, foot + canvas.u * 0.02), (x + lean * 0.3, foot * 0.5), (x + lean, -10))
        canvas.stroke(stem, wide * 1.2, colour, taper=0.62)
        for _ in range(3 if depth > 0.3 else 1):
            y = canvas.h * rng.uniform(0.02, 0.42)
            reach = canvas.u * rng.uniform(0.05, 0.16) * rng.choice((-1, 1)) * (0.5 + depth)
            start = (x + lean * (1 - y / foot), y)
            twig = bezier(start, (x + reach * 0.5, y - abs(reach) * 0.2), (x + reach, y - abs(reach) * 0.6), 16)
            canvas.stroke(twig, wide * 0.35, colour, taper=0.15)


def _beams(canvas: Canvas, rng: random.Random, x: float, *, colour: RGB) -> None:
    for _ in range(5):
        slant = canvas.u * rng.uniform(-0.5, 0.5)
        top, wide = x + slant * 0.35, canvas.u * rng.uniform(0.02, 0.06)
        beam = [
            (top - wide / 3, -5),
            (top + wide / 3, -5),
            (x + slant * 1.5 + wide, canvas.h * 0.9),
            (x + slant * 1.5 - wide, canvas.h * 0.9),
        ]
        canvas.shape(beam, colour, alpha=0.13)


def _ferns(canvas: Canvas, rng: random.Random, colour: RGB) -> None:
    for _ in range(16):
        x = rng.uniform(0, canvas.w)
        for _ in range(5):
            tip = (x + canvas.u * rng.uniform(-0.09, 0.09), canvas.h - canvas.u * rng.uniform(0.04, 0.13))
            blade = bezier((x, canvas.h + 5), (x + (tip[0] - x) * 0.2, tip[1]), tip, 14)
            canvas.stroke(blade, canvas.u * 0.012, colour, taper=0.08)
