"""What single things cost this machine: a forecast, a clip, a picture, a topic list, a webhook."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.engine import installation
from benchmarks.harness.measure import load_average, middle

TARGETS = {
    "forecast_cpu_s": 5.0,
    "clip_cpu_s": 3.0,
    "picture_cpu_s": 1.5,
    "rules_1000_s": 1.0,
    "rules_10000_s": 5.0,
    "draft_1000_s": 2.0,
    "empty_rows_s": 20.0,
    "webhook_ms": 200.0,
}


def measure(runs: int) -> dict[str, Any]:
    """The value is the worst of its figures, as a share of its target; each is the middle of so many runs."""
    load = load_average()
    with installation() as made:
        told = made.child("costs", {"runs": runs})
    costs = {name: _figure(middle(told[name]), target) for name, target in TARGETS.items()}
    return {
        "value": max(cost["share"] for cost in costs.values()),
        "target": 1.0,
        "load_average": load,
        **costs,
        "runs": {name: [round(value, 4) for value in told[name]] for name in TARGETS},
    }


def _figure(value: float, target: float) -> dict[str, float]:
    return {"value": value, "target": target, "share": round(value / target, 3)}
