"""F: what a step costs among 1,000 and among 50,000 of them, under a day's quota, on both databases."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.engine import installation
from benchmarks.harness.measure import load_average, middle

FEW, MANY = 1_000, 50_000
THREADS = 32
FLAT, MOST_CPU_MS = 1.3, 3.0


def measure(runs: int) -> dict[str, Any]:
    """The value: how much more a step costs among many, by the clock or in CPU, on the worse database.

    Many are run once, whatever `runs` is: there are enough of them.
    """
    load, found = load_average(), {}
    for database in ("sqlite", "postgres"):
        with installation(database, threads=THREADS) as made:
            found[database] = _figures(made.child("steps", {"few": FEW, "many": MANY, "runs": runs}))
    value = max(each["growth"] for each in found.values())
    cpu_ms = max(each[part]["cpu_ms"] for each in found.values() for part in PARTS)
    return {
        "value": value,
        "target": FLAT,
        "reached": value <= FLAT and cpu_ms <= MOST_CPU_MS,
        "cpu_ms_a_call": cpu_ms,
        "load_average": load,
        "databases": found,
    }


PARTS = ("few", "many", "few_after_many")


def _figures(told: dict[str, Any]) -> dict[str, Any]:
    costs = {
        part: {
            "ms": middle((1000 / run["steps_per_s"] for run in told[part]), 3),
            "cpu_ms": middle((run["cpu_ms_per_step"] for run in told[part]), 3),
        }
        for part in PARTS
    }
    growth = [costs[part][cost] / costs["few"][cost] for part in PARTS[1:] for cost in ("ms", "cpu_ms")]
    return {**costs, "growth": round(max(growth), 3)}
