"""The figures by their keys. Each is made by one function of a module here: (runs) -> an object of the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    costs,
    forecasts,
    many_drives,
    many_steps,
    noop,
    policies,
    remote_jobs,
    sample,
    tokens,
    whole_batch,
    windows,
)

SCENARIOS: dict[str, Callable[[int], dict[str, Any]]] = {
    "A_quiet": windows.quiet,
    "A_busy": windows.busy,
    "A_true": windows.true_scale,
    "A_policies": policies.measure,
    "B": remote_jobs.measure,
    "C": tokens.measure,
    "D": whole_batch.measure,
    "E": forecasts.measure,
    "F": many_steps.measure,
    "G": many_drives.measure,
    "costs": costs.measure,
    "noop": noop.measure,
    "sample": sample.measure,
}

WAIT_MOSTLY = {"A_true", "B"}  # at true scale: measured beside each other
