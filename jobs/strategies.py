"""A strategy is three plain values: each step's gate, and the batch's width and pause. Pure.

A step may start when its gate is not above the batch's open gate. The open gate is the lowest that any video still
has work for, so a stage (or a chunk of it) opens when nothing before it is left; what waits for a person holds none.
"""

from __future__ import annotations

from collections.abc import Iterable

from .settings_types import BatchSettings
from .states import STAGE_NUMBER

CHUNKS = 10**6  # more chunks than any batch has
NOTHING_OWED = 2**62
SCENES = 10**3


def gate_of(settings: BatchSettings, *, stage: str, video: int) -> int:
    """The gate of a stage of the video at this position (1 is the first)."""
    if settings.strategy == "parallel":
        return STAGE_NUMBER[stage]
    if settings.strategy == "chunked":
        return STAGE_NUMBER[stage] * CHUNKS + (video - 1) // settings.chunk_size
    return 0


def width_of(settings: BatchSettings) -> int | None:
    """How many steps of the batch may be in flight at once; None: as many as there is room for."""
    return 1 if settings.strategy == "sequential" else None


def has_gates(settings: BatchSettings) -> bool:
    return settings.strategy in ("parallel", "chunked")


def open_gate(owed: Iterable[int]) -> int:
    """From what every open video still owes to the gate that is open."""
    return min(owed, default=NOTHING_OWED)


def rank_of(settings: BatchSettings, *, stage: str, video: int, scene: int) -> int:
    """Lower goes first: earlier videos, and of a video what is furthest along, so that first videos come out early.

    Sequential: in the order of the list, of the stages and of the scenes.
    """
    number = STAGE_NUMBER[stage]
    if settings.strategy == "sequential":
        return (video * 10 + number) * SCENES + scene
    return (video * 10 + 10 - number) * SCENES + scene
