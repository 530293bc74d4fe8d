"""The figures by their keys. Each is made by one function of a module here: (runs) -> an object of the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import noop, sample, windows

SCENARIOS: dict[str, Callable[[int], dict[str, Any]]] = {
    "A_quiet": windows.quiet,
    "A_busy": windows.busy,
    "A_true": windows.true_scale,
    "noop": noop.measure,
    "sample": sample.measure,
}
