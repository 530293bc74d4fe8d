"""A under other manners of counting: what each vendor does differently, what we declare, and what is achievable there.

Where a client cannot know the vendor's clock, the bound is that of the plain sliding window.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks import bounds
from benchmarks.harness.measure import Job, in_groups, load_average

from .windows import AMOUNT, PLAIN, Case, Run, engine_run, peer_run, summary

SLICE_S, IN_A_SLICE = 1, 10  # 60 in 6 s, enforced as 10 a second
LOCKOUT_S = 6.0  # a minute, ten times as fast
JITTER_MS = 30.0  # 300 ms of a minute, ten times as fast
WINDOW = {"unit": "requests", "amount": AMOUNT, "window_s": PLAIN.window_s}
SLICE = {"unit": "requests", "amount": IN_A_SLICE, "window_s": SLICE_S}
IN_SLICES_S = bounds.achievable(PLAIN.count, amount=IN_A_SLICE, window_s=SLICE_S, latency_s=PLAIN.latency_s)
BUCKET_S = bounds.token_bucket(PLAIN.count, capacity=AMOUNT, per_s=AMOUNT / PLAIN.window_s, latency_s=PLAIN.latency_s)
SLICED = {"policy": "sliced", "slice_s": SLICE_S}
POLICIES: dict[str, Case] = {
    "fixed_minute": replace(PLAIN, vendor={"policy": "fixed"}),
    "token_bucket": replace(PLAIN, vendor={"policy": "bucket"}, best_s=BUCKET_S),
    "quantised_declared": replace(PLAIN, vendor=SLICED, quotas=(WINDOW, SLICE), best_s=IN_SLICES_S),
    "quantised_undeclared": replace(PLAIN, vendor=SLICED, best_s=IN_SLICES_S),
    "refused_count": replace(PLAIN, vendor={"refused_count": True}),
    "lock_out": replace(PLAIN, vendor={"lockout_s": LOCKOUT_S}, quotas=({**WINDOW, "strict": True},)),
    "jitter": replace(PLAIN, vendor={"jitter_ms": JITTER_MS}),
    "ten_times_the_jitter": replace(PLAIN, vendor={"jitter_ms": 10 * JITTER_MS}),
    "ten_times_declared": replace(PLAIN, vendor={"jitter_ms": 10 * JITTER_MS}, lane={"jitter_s": JITTER_MS / 100}),
}
BEYOND = {"ten_times_the_jitter"}  # seen by nobody before the first refusal: its refusals are told, and no target
NEVER_REFUSED = {"lock_out"}  # one refusal is too many there; elsewhere the first window teaches
PEERS = ("pyrate_limiter", "parallel_script")
PEERS_UNDER = ("quantised_undeclared", "refused_count", "lock_out")
TARGET = 1.10
AT_ONCE = 4


def measure(runs: int) -> dict[str, Any]:
    """Some beside each other, each a part of a window after the one before; then all peers in the same way."""
    done: dict[str, list[Run]] = {name: [] for name in POLICIES}
    for seed in range(1, runs + 1):
        jobs: list[Job] = [partial(engine_run, case, seed) for case in POLICIES.values()]
        for name, run in zip(POLICIES, in_groups(jobs, AT_ONCE, window_s=PLAIN.window_s), strict=True):
            done[name].append(run)
    load, kinds = load_average(), [(peer, name) for name in PEERS_UNDER for peer in PEERS]
    others: list[Job] = [partial(peer_run, peer, POLICIES[name], 1) for peer, name in kinds]
    theirs = in_groups(others, len(others), window_s=PLAIN.window_s)
    ours = {name: _figures(name, of_it) for name, of_it in done.items()}
    return {
        "value": max(each["ratio"] for each in ours.values()),
        "target": TARGET,
        "refusals": sum(each["counted"] for name, each in ours.items() if name not in BEYOND),
        "lost": sum(each["lost"] for each in ours.values()),
        "load_average": load,
        "policies": ours,
        "runs": done,
        "peers": {f"{peer}, {name}": summary([run]) for (peer, name), run in zip(kinds, theirs, strict=True)},
    }


def _figures(name: str, done: list[Run]) -> dict[str, Any]:
    """`counted`: those after the first window, or all."""
    counted = "refusals" if name in NEVER_REFUSED else "refusals_later"
    return {**summary(done), "counted": sum(run[counted] for run in done)}
