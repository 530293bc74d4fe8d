"""D: 50 videos of six scenes through five lanes: pipelined against the pipeline's bound, the others beside it.

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
from benchmarks.harness.roads import Batch, Lane, Road

ROAD = Road(
    lanes=(
        Lane(stage="script", latency_s=(0.6, 1.5), amount=60),
        Lane(stage="voiceover", latency_s=(0.3, 0.6), amount=90),
        Lane(stage="image", latency_s=(1.0, 1.5), amount=60),
        Lane(stage="clip", latency_s=(4.5, 9.0), places=36, jobs=True),
        Lane(stage="render", latency_s=(1.0, 2.0), places=10),
    )
)
BATCH = Batch(videos=50, scenes=6)
OTHERS = {
    "parallel": replace(BATCH, settings={"strategy": "parallel"}),
    "chunked": replace(BATCH, settings={"strategy": "chunked", "chunk_size": 25}),
    "sequential, 1 video": replace(BATCH, videos=1, settings={"strategy": "sequential"}),
}
THREADS = 256  # more than all lanes let in at once


def measure(runs: int) -> dict[str, Any]:
    """The value is that of pipelined. The others run once, beside each other, to be compared with."""
    pipelined = [one(BATCH, seed) for seed in range(1, 1 + runs)]
    load = load_average()
    jobs: list[Job] = [partial(one, batch, 1) for batch in OTHERS.values()]
    beside = dict(zip(OTHERS, staggered(jobs), strict=True))
    return {
        "value": middle(run["ratio"] for run in pipelined),
        "target": 1.05,
        "of_the_bare_bound": middle(run["of_the_bare_bound"] for run in pipelined),
        "refusals": sum(run["refusals"] for run in pipelined),
        "lost": sum(run["lost"] for run in pipelined),
        "load_average": load,
        "all_s": middle((run["all_s"] for run in pipelined), 2),
        "first_s": middle((run["first_s"] for run in pipelined), 2),
        "runs": pipelined,
        "peers": {name: {**run, "value": f"{run['all_s']} s"} for name, run in beside.items()},
    }


def one(batch: Batch, seed: int, begin_at: float = 0.0) -> dict[str, Any]:
    """`ratio`: to the pipeline's bound, the lane of jobs being filled in the order in which they were taken."""
    with installation(threads=THREADS) as made, roads.vendors(ROAD, seed=seed) as running:
        told = roads.run(made, ROAD, [batch], running, begin_at)[0]
        books = {lane.stage: running.summary(lane.slug) for lane in ROAD.lanes}
    loads = [_load(lane, books[lane.stage]) for lane in ROAD.lanes]
    best, bare = bounds.pipeline(loads), bounds.pipeline(loads, bare=True)
    return {
        **told,
        "strategy": batch.settings.get("strategy", "pipelined"),
        "lost": batch.videos - told["states"].get("done", 0),
        "achievable_s": round(best, 3),
        "ratio": round(told["all_s"] / best, 4),
        "of_the_bare_bound": round(told["all_s"] / bare, 4),
        "refusals": sum(book["refused"] for book in books.values()),
        "lanes": {stage: _use(book, told["began"]) for stage, book in books.items()},
    }


def _use(book: dict[str, Any], began: float) -> dict[str, Any]:
    """When a lane was at work, how full it was, and how long after their ends we knew of them."""
    jobs, used = book["jobs"], book["places_used"]
    late = [job["seen_at"] - job["done_at"] for job in jobs if job["seen_at"]]
    return {
        "first_s": round(min(job["starts_at"] for job in jobs) - began, 2),
        "last_s": round(max(job["done_at"] for job in jobs) - began, 2),
        "work_s": round(sum(job["done_at"] - job["starts_at"] for job in jobs), 1),
        **({"places_used": round(used, 4)} if used else {}),
        **({"polls_a_job": round(sum(job["polls"] for job in jobs) / len(jobs), 2)} if late else {}),
        **({"seen_after_s": round(sum(late) / len(late), 3)} if late else {}),
    }


def _load(lane: Lane, book: dict[str, Any]) -> bounds.Load:
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
