"""D: 50 videos of six scenes through five lanes: pipelined against the pipeline's bound, the others beside.

Ten times as fast as such vendors are. The clips bind: 300 of 4.5 to 9 s, 36 at once.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks import bounds
from benchmarks.harness import roads
from benchmarks.harness.engine import installation
from benchmarks.harness.measure import Job, load_average, middle, staggered
from benchmarks.harness.roads import Lane, Road

ROAD = Road(
    lanes=(
        Lane(stage="script", latency_s=(0.6, 1.5), amount=60),
        Lane(stage="voiceover", latency_s=(0.3, 0.6), amount=90),
        Lane(stage="image", latency_s=(1.0, 1.5), amount=60),
        Lane(stage="clip", latency_s=(4.5, 9.0), places=36, jobs=True),
        Lane(stage="render", latency_s=(1.0, 2.0), places=10),
    ),
    videos=50,
    scenes=6,
)
OTHERS = {
    "parallel": ROAD,
    "chunked": replace(ROAD, settings={"strategy": "chunked", "chunk_size": 10}),
    "sequential, 1 video": replace(ROAD, videos=1),
}
THREADS = 128


def measure(runs: int) -> dict[str, Any]:
    """The value is that of pipelined. The others run once, beside each other: they are there to be compared with."""
    pipelined = [one(ROAD, "pipelined", seed) for seed in range(1, runs + 1)]
    load = load_average()
    jobs: list[Job] = [partial(one, road, name.split(",")[0], 1) for name, road in OTHERS.items()]
    beside = dict(zip(OTHERS, staggered(jobs), strict=True))
    return {
        "value": middle(run["ratio"] for run in pipelined),
        "target": 1.05,
        "refusals": sum(run["refusals"] for run in pipelined),
        "load_average": load,
        "all_s": middle((run["all_s"] for run in pipelined), 2),
        "first_s": middle((run["first_s"] for run in pipelined), 2),
        "runs": pipelined,
        "peers": {name: {**run, "value": f"{run['all_s']} s"} for name, run in beside.items()},
    }


def one(road: Road, strategy: str, seed: int, begin_at: float = 0.0) -> dict[str, Any]:
    road = replace(road, settings={**road.settings, "strategy": strategy})
    with installation(threads=THREADS) as made, roads.vendors(road, seed=seed) as running:
        told = roads.run(made, road, running, begin_at)
        books = {lane.stage: running.summary(lane.slug) for lane in road.lanes}
    best = bounds.pipeline([_load(lane, road, books[lane.stage]) for lane in road.lanes])
    return {
        **told,
        "strategy": strategy,
        "bound_s": round(best, 3),
        "ratio": round(told["all_s"] / best, 4),
        "refusals": sum(book["refused"] for book in books.values()),
        "polls_a_job": round(sum(job["polls"] for job in books["clip"]["jobs"]) / len(books["clip"]["jobs"]), 2),
        "places_used": books["clip"]["places_used"] and round(books["clip"]["places_used"], 4),
    }


def _load(lane: Lane, road: Road, book: dict[str, Any]) -> bounds.Load:
    """What the lane had to do, by the vendor's own books."""
    took = [job["done_at"] - job["starts_at"] for job in book["jobs"] if job["done_at"]]
    return bounds.Load(
        stage=lane.stage,
        seconds=tuple(took),
        shortest_s=lane.latency_s[0],
        places=lane.places,
        amount=lane.amount,
        window_s=lane.window_s,
    )
