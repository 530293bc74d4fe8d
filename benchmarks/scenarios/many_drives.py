"""G: sixteen drives on one lane, on both databases: nothing over the limit, and next to nothing of it unused."""

from __future__ import annotations

import subprocess
from typing import Any

from benchmarks.harness import simulated
from benchmarks.harness.engine import Installation, answer_of, installation
from benchmarks.harness.measure import load_average, middle

DRIVES, THREADS = 16, 32
AMOUNT, WINDOW_S, COUNT = 60, 6, 300
LEAST_USED = 0.97


def measure(runs: int) -> dict[str, Any]:
    """The value is the share of the quota that was used, on the worse database; each is measured once or twice."""
    load = load_average()
    found = {database: [_run(database, seed) for seed in range(1, 1 + max(1, runs // 2))] for database in DATABASES}
    used = {database: middle(run["used"] for run in done) for database, done in found.items()}
    refusals = sum(run["refusals"] for done in found.values() for run in done)
    return {
        "value": min(used.values()),
        "target": LEAST_USED,
        "at_least": True,
        "refusals": refusals,
        "lost": sum(run["lost"] for done in found.values() for run in done),
        "load_average": load,
        "databases": used,
        "runs": found,
    }


DATABASES = ("sqlite", "postgres")


def _run(database: str, seed: int) -> dict[str, Any]:
    limits = [{"requests": AMOUNT, "per_s": WINDOW_S}]
    with (
        installation(database, threads=THREADS) as made,
        simulated.vendor("instant", seed=seed, limits=limits, latency_s=(1.0, 1.5)) as running,
    ):
        spec = {"slug": "sim_instant", "capability": "image", "stage": "image"}
        rows = {
            "quotas": [{"unit": "requests", "amount": AMOUNT, "window_s": WINDOW_S}],
            "wants": [{"width": 64, "height": 64}] * COUNT,
        }
        made.child("child prepare", {"simulator": running.url, **spec, **rows})
        answers = _all_at_once(made, {"simulator": running.url})
        told = simulated.told(running, "instant")
    return {
        "used": round(told["requests"] / (AMOUNT * (1 + told["at_s"][-1] / WINDOW_S)), 4),
        "refusals": told["refusals"],
        "requests": told["requests"],
        "lost": COUNT - max(answer["stored"] for answer in answers),
        "last_at_s": round(told["at_s"][-1], 2),
        "cpu_s": round(sum(answer["cpu_s"] for answer in answers), 1),
    }


def _all_at_once(made: Installation, spec: dict[str, Any]) -> list[dict[str, Any]]:
    drives = [made.start("child drive", spec) for _ in range(DRIVES)]
    try:
        for drive in drives:
            assert drive.stdout and drive.stdout.readline() == "ready\n"
        for drive in drives:
            _go(drive)
        return [answer_of(drive) for drive in drives]
    finally:
        for drive in drives:
            drive.kill()


def _go(drive: subprocess.Popen[str]) -> None:
    assert drive.stdin
    drive.stdin.write("go\n")
    drive.stdin.flush()
