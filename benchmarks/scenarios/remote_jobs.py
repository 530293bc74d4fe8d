"""B: jobs that are submitted and polled, five at once, 6 to 12 s, at true scale.

What the vendor does with a sixth: it refuses it (429), or takes and queues it. The variants wait for nearly all of
their time, so they go beside each other; more than these three would take each other's core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks import bounds
from benchmarks.harness import engine, simulated
from benchmarks.harness.measure import Job, in_groups, load_average, middle
from benchmarks.harness.peer import run_peer
from benchmarks.harness.web import called_back
from benchmarks.peers.jobs import JOB_PEERS

COUNT, PLACES = 60, 5
LATENCY_S = (6.0, 12.0)
CLIP = {"width": 64, "height": 64, "seconds": 1.0}
MOST_POLLS, MOST_WITH_WEBHOOKS = 13, 2
APART_S = 1.7
LIMIT_S = 600.0
THREADS = 32
Run = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Variant:
    name: str = "jobs"  # of the simulated vendor
    most_polls: int = MOST_POLLS
    vendor: Mapping[str, Any] = field(default_factory=dict)
    lane: Mapping[str, Any] = field(default_factory=lambda: {"max_in_flight": PLACES})


QUEUES = {"concurrency": PLACES, "over_concurrency": "throttle"}
VARIANTS = {
    "refuses": Variant(vendor={"concurrency": PLACES}),
    "queues": Variant(vendor=QUEUES, lane={"max_in_flight": PLACES, "queues_ahead": 2}),
    "calls_back": Variant(name="hooks", vendor={"concurrency": PLACES}, most_polls=MOST_WITH_WEBHOOKS),
}


def measure(runs: int) -> dict[str, Any]:
    """The value is the worst variant's median; polls a job have a limit of their own."""
    jobs: list[Job] = [partial(engine_run, name, seed) for seed in range(1, runs + 1) for name in VARIANTS]
    jobs += [partial(peer_run, name, 1) for name in JOB_PEERS]
    done = in_groups(jobs, len(VARIANTS), window_s=APART_S * len(VARIANTS))
    ours = {name: summary(done[n : len(VARIANTS) * runs : len(VARIANTS)]) for n, name in enumerate(VARIANTS)}
    theirs = dict(zip(JOB_PEERS, done[len(VARIANTS) * runs :], strict=True))
    few_polls = all(ours[name]["polls_a_job"] <= variant.most_polls for name, variant in VARIANTS.items())
    value, refusals = max(each["ratio"] for each in ours.values()), sum(each["refusals"] for each in ours.values())
    lost = sum(each["lost"] for each in ours.values())
    return {
        "value": value,
        "target": 1.01,
        "reached": few_polls and value <= 1.01 and not refusals and not lost,
        "refusals": refusals,
        "lost": lost,
        "polls_a_job": max(each["polls_a_job"] for each in ours.values()),
        "load_average": load_average(),
        "variants": ours,
        "runs": done[: len(VARIANTS) * runs],
        "peers": {name: summary([run]) for name, run in theirs.items()},
    }


def engine_run(name: str, seed: int, begin_at: float = 0.0) -> Run:
    variant = VARIANTS[name]
    with (
        simulated.vendor(variant.name, seed=seed, latency_s=LATENCY_S, **variant.vendor) as running,
        engine.installation(threads=THREADS) as made,
        called_back(made, running.url) if variant.name == "hooks" else nullcontext(),
    ):
        spec = {"slug": f"sim_{variant.name}", "capability": "clip", "stage": "clip", "lane": dict(variant.lane)}
        rows = {"quotas": [], "wants": [CLIP] * COUNT}
        took = made.child("child run", {"simulator": running.url, "begin_at": begin_at, **spec, **rows})
        return {"variant": name, **_run(took, took["stored"], simulated.told(running, variant.name))}


def peer_run(name: str, seed: int, begin_at: float = 0.0) -> Run:
    with simulated.vendor("jobs", seed=seed, latency_s=LATENCY_S, concurrency=PLACES) as running:
        items = [{"kind": "clip", "prompt": f"Topic {n}", **CLIP} for n in range(COUNT)]
        spec = {"url": f"{running.url}/jobs", "path": "jobs", "items": items, "places": PLACES, "limit_s": LIMIT_S}
        spec["begin_at"] = begin_at
        took = run_peer(f"jobs.{name}", spec)
        return _run(took, took["done"], simulated.told(running, "jobs"))


def _run(took: dict[str, Any], done: int, told: dict[str, Any]) -> Run:
    """Beside the client without overhead, which has the same jobs in the same order."""
    best = bounds.in_list_order(told["durations_s"], PLACES)
    return {
        "ratio": round(took["all_s"] / best, 4),
        "all_s": took["all_s"],
        "achievable_s": round(best, 3),
        "refusals": told["refusals"],
        "requests": told["requests"],
        "polls_a_job": round(told["polls"] / COUNT, 2),
        "looks_a_job": round(told["job_polls"] / COUNT, 2),  # one call may ask about several
        "seen_after_s": round(sum(told["seen_after_s"]) / max(1, len(told["seen_after_s"])), 3),
        "places_used": round(told["places_used"] or 0.0, 4),
        "waited_at_vendor": told["waited_at_vendor"],
        "most_at_once": told["most_at_once"],
        "done": done,
        "lost": COUNT - done,
        "cpu_s": took["cpu_s"],
    }


def summary(done: Sequence[Run]) -> dict[str, Any]:
    return {
        "ratio": middle(run["ratio"] for run in done),
        "refusals": sum(run["refusals"] for run in done),
        "polls_a_job": middle((run["polls_a_job"] for run in done), 2),
        "seen_after_s": middle((run["seen_after_s"] for run in done), 3),
        "lost": sum(run["lost"] for run in done),
    }
