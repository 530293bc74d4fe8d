"""The sample batch, started as a person starts it: first and last video, pages meanwhile, memory."""

from __future__ import annotations

from typing import Any

from benchmarks import sample_batch


def measure(runs: int) -> dict[str, Any]:
    """The value is the worst of its figures, as a share of its target."""
    figures = sample_batch.measure()
    shares = {name: round(figures[name] / target, 3) for name, target in sample_batch.TARGETS.items()}
    return {"value": max(shares.values()), "target": 1.0, "targets": sample_batch.TARGETS, "shares": shares, **figures}
