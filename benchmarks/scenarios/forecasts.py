"""E: what was foreseen of twenty random batches at their launch, against what then happened.

Each has vendors of its own; a small batch before it gives the forecast something to go by.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from benchmarks.harness import roads
from benchmarks.harness.engine import installation
from benchmarks.harness.measure import in_groups, load_average, middle
from benchmarks.harness.roads import Batch, Lane, Road

COUNT, AT_ONCE, APART_S = 20, 5, 1.5
LEAST_WITHIN = 16
THREADS = 128
BEFORE = Batch(videos=3, scenes=2)


def measure(runs: int) -> dict[str, Any]:
    """The value is the median error of the middle forecast (P50). Twenty batches, whatever `runs` is."""
    load, jobs = load_average(), [partial(one, seed) for seed in range(1, COUNT + 1)]
    done = in_groups(jobs, AT_ONCE, window_s=APART_S * AT_ONCE)
    error, within = middle(each["error"] for each in done), sum(each["within_p90"] for each in done)
    return {
        "value": error,
        "target": 0.05,
        "reached": error <= 0.05 and within >= LEAST_WITHIN and not any(each["lost"] for each in done),
        "within_p90": within,
        "within_p10_p90": sum(each["within_p10_p90"] for each in done),
        "load_average": load,
        "runs": done,
    }


def one(seed: int, begin_at: float = 0.0) -> dict[str, Any]:
    road, batch = a_road(Random(f"road {seed}")), a_batch(Random(f"batch {seed}"))
    with installation(threads=THREADS) as made, roads.vendors(road, seed=seed) as running:
        told = roads.run(made, road, [BEFORE, batch], running, begin_at)[1]
        refusals = sum(running.summary(lane.slug)["refused"] for lane in road.lanes)
    foreseen, took = told["forecast"], told["all_s"]
    return {
        "seed": seed,
        "videos": batch.videos,
        "scenes": batch.scenes,
        "strategy": batch.settings["strategy"],
        "took_s": took,
        **foreseen,
        "error": round(abs(foreseen["p50_s"] - took) / took, 4),
        "within_p90": took <= foreseen["p90_s"],
        "within_p10_p90": foreseen["p10_s"] <= took <= foreseen["p90_s"],
        "refusals": refusals,
        "lost": batch.videos - told["states"].get("done", 0),
    }


def a_road(chance: Random) -> Road:
    def latency(low: float, high: float) -> tuple[float, float]:
        least = chance.uniform(low, high)
        return round(least, 2), round(least * chance.uniform(1.2, 2.0), 2)

    return Road(
        lanes=(
            Lane(stage="script", latency_s=latency(0.4, 1.0), amount=chance.choice((0, 10, 60))),
            Lane(stage="voiceover", latency_s=latency(0.2, 0.5), amount=chance.choice((0, 20, 60))),
            Lane(stage="image", latency_s=latency(0.6, 1.5), amount=chance.choice((10, 20, 30))),
            Lane(stage="clip", latency_s=latency(2.0, 4.0), places=chance.choice((4, 6, 10)), jobs=True),
            Lane(stage="render", latency_s=latency(0.5, 1.0), places=chance.choice((2, 5))),
        )
    )


def a_batch(chance: Random) -> Batch:
    strategy = chance.choice(("pipelined", "pipelined", "parallel", "chunked"))
    settings = {"strategy": strategy, "chunk_size": chance.choice((2, 4))}
    return Batch(videos=chance.randint(4, 8), scenes=chance.randint(2, 4), settings=settings)
