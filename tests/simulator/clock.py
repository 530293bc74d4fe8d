"""Virtual time: passes `scale` times as fast, and goes on where it was when the process starts again."""

from __future__ import annotations

import time
from collections.abc import Callable

_STARTED = time.time() - time.monotonic()


def steady() -> float:
    """The wall clock as it stood at the start, carried on by the monotonic one: it never jumps."""
    return _STARTED + time.monotonic()


class Clock:
    def __init__(self, epoch: float, scale: float, wall: Callable[[], float] = steady) -> None:
        self.epoch, self.scale, self._wall = epoch, scale, wall

    def now(self) -> float:
        return (self._wall() - self.epoch) * self.scale

    def real(self, moment: float) -> float:
        """The wall clock's time of a virtual moment."""
        return self.epoch + moment / self.scale

    def virtual(self, real: float) -> float:
        return (real - self.epoch) * self.scale
