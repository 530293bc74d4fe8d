"""When each lane is how busy, drawn together into a few bars. Plain numbers; the page draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .lanes import Lane

MOST_BARS = 200
LEVELS = 5  # of how busy a lane is


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    lane: int  # its row
    start_s: float
    end_s: float
    busy: float  # share of its places, or of the most it ever had in flight


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    busy: float  # share of the whole time
    most: int  # in flight at once


def rows_and_bars(lanes: Sequence[Lane], finish_s: float) -> tuple[tuple[Row, ...], tuple[Bar, ...]]:
    used = sorted((lane for lane in lanes if lane.starts), key=lambda lane: lane.starts[0])  # in the order of the road
    rows, bars = [], []
    pieces = max(1, MOST_BARS // max(1, len(used)))
    for number, lane in enumerate(used):
        levels, most = _levels(lane, finish_s, pieces)
        rows.append(Row(name=lane.facts.name, busy=float(levels.mean()), most=most))
        bars += _joined(number, levels, finish_s / pieces)
    return tuple(rows), tuple(bars)


def _levels(lane: Lane, finish_s: float, pieces: int) -> tuple[np.ndarray[Any, Any], int]:
    """The mean share of places taken in each piece of the time."""
    starts, ends = np.asarray(lane.starts), np.minimum(np.asarray(lane.ends), finish_s)
    sizes = np.asarray(lane.sizes, dtype=float)
    edges = np.linspace(0.0, finish_s, pieces + 1)
    taken = _until(edges, starts, sizes) - _until(edges, ends, sizes)  # seconds × places, up to each edge
    in_flight = np.diff(taken) / (finish_s / pieces)
    order = np.argsort(np.concatenate([ends, starts]), kind="stable")
    most = int(np.concatenate([-sizes, sizes])[order].cumsum().max())
    cap = lane.cap if lane.cap != float("inf") else max(most, 1)
    return np.clip(in_flight / cap, 0.0, 1.0), most


def _until(edges: np.ndarray[Any, Any], moments: np.ndarray[Any, Any], sizes: np.ndarray[Any, Any]) -> Any:
    """Sum over the moments before each edge of (edge - moment) × size."""
    order = np.argsort(moments)
    moments, sizes = moments[order], sizes[order]
    count = np.concatenate([[0.0], sizes.cumsum()])
    weighted = np.concatenate([[0.0], (sizes * moments).cumsum()])
    before = np.searchsorted(moments, edges)
    return edges * count[before] - weighted[before]


def _joined(number: int, levels: np.ndarray[Any, Any], width_s: float) -> list[Bar]:
    """Pieces of one level beside each other make one bar; idle time makes none."""
    steps = np.ceil(levels * LEVELS - 1e-9).astype(int)
    bars: list[Bar] = []
    start = 0
    for at in range(1, len(steps) + 1):
        if at == len(steps) or steps[at] != steps[start]:
            if steps[start]:
                bars.append(
                    Bar(
                        lane=number,
                        start_s=round(start * width_s, 3),
                        end_s=round(at * width_s, 3),
                        busy=round(float(levels[start:at].mean()), 3),
                    )
                )
            start = at
    return bars
