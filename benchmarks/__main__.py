"""python -m benchmarks [--count N] [--threads N]: the engine beside bare SQL, on SQLite and PostgreSQL.

Writes benchmarks/report.json. Every database is measured in a process and a folder of its own.
Exits with 1 when a figure is not reached.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests import services

REPORT = Path(__file__).with_name("report.json")
LEAST_RATIO = 0.3
MOST_COMMITS = 4.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--count", type=int, default=12000, help="steps in each of the two runs")
    parser.add_argument("--threads", type=int, default=256, help="threads for calls: so many steps make a group")
    parser.add_argument("--only", choices=["sqlite", "postgres"])
    chosen = parser.parse_args()
    results: dict[str, Any] = {}
    if chosen.only != "postgres":
        results["sqlite"] = _measure(chosen.count, chosen.threads, "")
    if chosen.only != "sqlite":
        with services.postgres() as url:
            results["postgres"] = _measure(chosen.count, chosen.threads, url)
    report: dict[str, Any] = {
        "load_average": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    report |= {"count": chosen.count, "results": results}
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    missed = [name for name, result in results.items() if not _is_reached(result)]
    for name in missed:
        print(f"{name}: at least {LEAST_RATIO} of the bare rate and at most {MOST_COMMITS} commits a group are asked.")
    return 1 if missed else 0


def _is_reached(result: dict[str, Any]) -> bool:
    return bool(result["ratio"] >= LEAST_RATIO and result["engine"]["commits_per_group"] <= MOST_COMMITS)


def _measure(count: int, threads: int, url: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="vidbatch-bench-") as folder:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VIDBATCH_")}
        environment = {
            **kept,
            "VIDBATCH_DATA": folder,
            "VIDBATCH_CALL_THREADS": str(threads),
            "DJANGO_SETTINGS_MODULE": "vidbatch_site.settings",
        }
        if url:
            environment["VIDBATCH_DATABASE_URL"] = url
        command = [sys.executable, "-m", "benchmarks.one_database", str(count)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
        return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    sys.exit(main())
