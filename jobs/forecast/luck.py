"""How long a call takes and whether its file passes, in one run. Seeded: the same numbers, the same forecast.

Two doubts are kept apart. How one call differs from the next shows in the durations measured, and evens out over many
calls. How well the few calls measured stand for all does not: a run may take durations drawn anew from those measured
(a bootstrap), and rates from what their counts allow. The nominal run takes everything as measured.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from .plain import Measured

GUESS_DOUBT = 0.4  # of a duration nobody has measured
MODEL_DOUBT = 0.02  # what no duration tells: the vendor's hour, the machine's other work
PRIOR = (0.05, 9.95)  # a rate that was never measured: most likely next to nothing, half a percent in the mean
AT_ONCE = 256


class Luck:
    """One run's luck."""

    def __init__(self, seed: int, *, nominal: bool) -> None:
        self.numbers, self.nominal = np.random.default_rng(seed), nominal
        self.coin = random.Random(seed)
        self.drift = 1.0 if nominal else float(np.exp(self.numbers.normal(0.0, MODEL_DOUBT)))

    def rate(self, bad: int, of: int) -> float:
        low, high = bad + PRIOR[0], of - bad + PRIOR[1]
        if self.nominal or of == 0:
            return bad / of if of else 0.0
        return float(self.numbers.beta(low, high))

    def durations(self, measured: Measured, guess: tuple[float, float]) -> Durations:
        samples = np.asarray(measured.durations or self._guessed(*guess), dtype=float)
        if not self.nominal and measured.durations:
            samples = self.numbers.choice(samples, len(samples))
        return Durations(samples * self.drift, self.numbers)

    def whole(self, seconds: float) -> Durations:
        """What a vendor promises, and nobody counts on less."""
        return Durations(np.asarray([seconds]), self.numbers)

    def _guessed(self, least: float, most: float) -> Sequence[float]:
        off = 1.0 if self.nominal else float(np.exp(self.numbers.normal(0.0, GUESS_DOUBT)))
        return [least * off, (least + most) / 2 * off, most * off]

    def failing(self, count: int, rate: float) -> int:
        """How many of so many fail."""
        if rate <= 0.0:
            return 0
        if count > 8:
            return int(self.numbers.binomial(count, rate))
        return sum(self.coin.random() < rate for _ in range(count))


class Durations:
    """Draws from samples; the mean of `grain` draws where one stands for so many calls."""

    __slots__ = ("grains", "mean", "numbers", "samples", "stock")

    def __init__(self, samples: np.ndarray, numbers: np.random.Generator) -> None:
        self.samples, self.numbers, self.mean = samples, numbers, float(samples.mean())
        self.stock: list[float] = []
        self.grains = 0

    def draw(self, grain: int) -> float:
        if not self.stock or self.grains != grain:
            drawn = self.numbers.choice(self.samples, (AT_ONCE if grain == 1 else 32, grain))
            self.stock, self.grains = drawn.mean(axis=1).tolist(), grain
        return self.stock.pop()
