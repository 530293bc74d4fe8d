"""Geometry of the charts, as attributes of SVG: widths in percent of the card, heights in pixels, so that words keep
their size on any screen and no script or style is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HEIGHT = 200
TOP = 8
SERIES = 7  # colours there are
MOST_LABELS = 4
GAP = 0.28  # of a column's place


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    y: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    x: str
    words: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    x: str
    y: str
    width: str
    height: str
    series: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    x1: str
    y1: str
    x2: str
    y2: str
    series: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    x: str
    y: str
    series: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Columns or lines over time, with the axis from zero."""

    ticks: Sequence[Tick]
    labels: Sequence[Label]
    legend: Sequence[tuple[int, str]]
    blocks: Sequence[Block] = ()
    lines: Sequence[Line] = ()
    dots: Sequence[Dot] = ()
    height: int = HEIGHT + TOP
    is_timeline: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    words: str
    sub: str
    width: str
    value: str
    note: str
    series: int
    mark: str = ""  # where a second value is marked


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    bars: Sequence[Bar]
    left_out: int = 0
    is_timeline: bool = False


def nice(most: float) -> float:
    """The next round number above: 1, 2 or 5 times a power of ten."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= most * 0.999999)


def _y(value: float, most: float) -> float:
    return TOP + HEIGHT * (1 - value / most)


def _ticks(most: float, show: Callable[[float], str], parts: int = 4) -> list[Tick]:
    return [
        Tick(y=f"{_y(most * part / parts, most):.1f}", words=show(most * part / parts)) for part in range(parts + 1)
    ]


def _labels(words: Sequence[str]) -> list[Label]:
    """Every so many columns, counted from the newest."""
    count = len(words)
    step = -(-count // MOST_LABELS)
    chosen = [number for number in range(count) if (count - 1 - number) % step == 0]
    return [
        Label(x=f"{100 * (number + 0.5) / count:.2f}%", words=words[number], anchor=_anchor(number, count))
        for number in chosen
    ]


def _anchor(number: int, count: int) -> str:
    """At the edges the words grow inwards."""
    if count > MOST_LABELS and number == count - 1:
        return "end"
    return "start" if count > MOST_LABELS and number == 0 else "middle"


def stacked(
    stacks: Sequence[Sequence[float]], *, names: Sequence[str], days: Sequence[str], show: Callable[[float], str]
) -> Timeline:
    most = nice(max((sum(stack) for stack in stacks), default=0))
    place = 100 / max(1, len(stacks))
    blocks = []
    for column, stack in enumerate(stacks):
        height = 0.0
        for series, value in enumerate(stack):
            if value > 0:
                height += value
                blocks.append(
                    Block(
                        x=f"{place * (column + GAP / 2):.3f}%",
                        width=f"{place * (1 - GAP):.3f}%",
                        y=f"{_y(height, most):.2f}",
                        height=f"{HEIGHT * value / most:.2f}",
                        series=1 + series % SERIES,
                        words=f"{days[column]}, {names[series]}: {show(value)}",
                    )
                )
    legend = [(1 + series % SERIES, name) for series, name in enumerate(names)]
    return Timeline(ticks=_ticks(most, show), labels=_labels(days), legend=legend, blocks=blocks)


def lines(
    series: Sequence[Sequence[float | None]],
    *,
    names: Sequence[str],
    days: Sequence[str],
    show: Callable[[float], str],
    most: float = 1.0,
) -> Timeline:
    """A span without a value is a gap in its line, never a zero."""
    drawn, dots = [], []
    for number, values in enumerate(series, start=1):
        points = [
            (f"{100 * (at + 0.5) / len(values):.2f}%", f"{_y(value, most):.1f}", at, value)
            for at, value in enumerate(values)
            if value is not None
        ]
        for one, two in zip(points, points[1:], strict=False):
            if two[2] == one[2] + 1:
                drawn.append(Line(x1=one[0], y1=one[1], x2=two[0], y2=two[1], series=number))
        dots += [
            Dot(x=x, y=y, series=number, words=f"{days[at]}, {names[number - 1]}: {show(value)}")
            for x, y, at, value in points
        ]
    legend = list(enumerate(names, start=1))
    return Timeline(ticks=_ticks(most, show), labels=_labels(days), legend=legend, lines=drawn, dots=dots)


def width_of(value: float, most: float) -> str:
    """Something is never invisible."""
    return f"{max(0.6, 100 * value / most):.2f}%" if value and most else "0%"
