"""What the engine itself costs: steps whose call answers at once, beside bare SQL that writes the same rows."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.harness.engine import ROOT, Installation, installation
from benchmarks.harness.measure import load_average

COUNT = 12_000  # steps in each of the two runs
THREADS = 256  # so many steps make a group
LEAST_RATIO = 0.3
MOST_COMMITS = 4.0


def measure(runs: int) -> dict[str, Any]:
    load = load_average()
    results = {}
    for database in ("sqlite", "postgres"):
        with installation(database, threads=THREADS) as made:
            results[database] = _one(made)
    return {
        "value": min(result["ratio"] for result in results.values()),
        "target": LEAST_RATIO,
        "at_least": True,
        "reached": all(
            result["ratio"] >= LEAST_RATIO and result["engine"]["commits_per_group"] <= MOST_COMMITS
            for result in results.values()
        ),
        "load_average": load,
        "count": COUNT,
        "databases": results,
        "peers": {f"bare SQL, {name}": {"value": 1.0} for name in results},
    }


def _one(made: Installation) -> dict[str, Any]:
    environment = {**made.environment, "DJANGO_SETTINGS_MODULE": "vidbatch_site.settings"}
    command = [sys.executable, "-m", "benchmarks.one_database", str(COUNT)]
    done = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))
