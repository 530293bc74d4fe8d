"""A: calls that are answered at once, under a quota of 60 a window. Quiet, with both cores busy, and at true scale."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from benchmarks import bounds
from benchmarks.harness import engine, simulated
from benchmarks.harness.measure import Job, beside, busy_cores, in_groups, load_average, middle, staggered
from benchmarks.harness.peer import run_peer
from benchmarks.peers.quotas import QUOTA_PEERS

AMOUNT = 60
COUNTS = (300, 290)  # a multiple of the quota, where one wasted place costs a whole window, and not
TRUE_COUNT = 180
ITEM = {"width": 64, "height": 64}
PATIENCE = 5  # times the achievable: then a peer is ended, and what it did not get is lost
CHUNKS = "chunks"  # a hundred seconds long, and next to nothing to compute: beside everything else
Run = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """So many calls under a quota; by default ten times as fast as the true one."""

    count: int
    window_s: float = 6
    latency_s: tuple[float, float] = (1.0, 1.5)
    quotas: Sequence[Mapping[str, Any]] = ()  # as we declare them; else the plain one
    vendor: Mapping[str, Any] = field(default_factory=dict)  # how it differs from a plain sliding window
    best_s: float = 0.0  # where the plain bound does not hold
    lane: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plain = bounds.achievable(self.count, amount=AMOUNT, window_s=self.window_s, latency_s=self.latency_s)
        object.__setattr__(self, "best_s", self.best_s or plain)
        quota = {"unit": "requests", "amount": AMOUNT, "window_s": self.window_s}
        object.__setattr__(self, "quotas", self.quotas or (quota,))


PLAIN = Case(count=COUNTS[0])
TRUE = Case(count=TRUE_COUNT, window_s=60, latency_s=(10.0, 15.0))


def quiet(runs: int) -> dict[str, Any]:
    return _scaled(runs, busy=0, target=1.01)


def busy(runs: int) -> dict[str, Any]:
    return _scaled(runs, busy=os.cpu_count() or 2, target=1.05)


def true_scale(runs: int) -> dict[str, Any]:
    """Waits most of the time, so the runs and the peers share it: each begins a few seconds after the one before."""
    names = ("aiolimiter_even", "parallel_script", "pyrate_limiter")
    jobs: list[Job] = [partial(peer_run, name, TRUE, 1) for name in names]
    jobs += [partial(engine_run, TRUE, seed) for seed in range(1, runs + 1)]
    done = staggered(jobs, apart_s=TRUE.window_s / len(jobs))
    theirs, own = done[: len(names)], done[len(names) :]
    ours = summary(own)
    return {
        "value": ours["ratio"],
        "target": 1.01,
        **{name: ours[name] for name in ("refusals", "requests_per_success", "lost")},
        "load_average": load_average(),
        "runs": own,
        "peers": {name: summary([run]) for name, run in zip(names, theirs, strict=True)},
    }


def _scaled(runs: int, *, busy: int, target: float) -> dict[str, Any]:
    """Quiet: one run after the other. With busy cores both numbers of calls at once: nothing is quiet there anyway."""
    cases = [replace(PLAIN, count=count, best_s=0.0) for count in COUNTS]
    done: dict[str, list[Run]] = {str(case.count): [] for case in cases}
    with busy_cores(busy), beside(partial(peer_run, CHUNKS, PLAIN, 1)) as chunks:
        for seed in range(1, runs + 1):
            jobs: list[Job] = [partial(engine_run, case, seed) for case in cases]
            found = in_groups(jobs, len(cases) if busy else 1, window_s=PLAIN.window_s)
            for case, run in zip(cases, found, strict=True):
                done[str(case.count)].append(run)
        load = load_average()
        fast = [name for name in QUOTA_PEERS if name != CHUNKS]
        peers: list[Job] = [partial(peer_run, name, PLAIN, 1) for name in fast]
        theirs = in_groups(peers, len(fast), window_s=PLAIN.window_s)  # a burst of theirs takes 60 ms of a core
    ours = {count: summary(of_it) for count, of_it in done.items()}
    return {
        "value": max(figures["ratio"] for figures in ours.values()),
        "target": target,
        "refusals": sum(figures["refusals"] for figures in ours.values()),
        "lost": sum(figures["lost"] for figures in ours.values()),
        "requests_per_success": max(figures["requests_per_success"] for figures in ours.values()),
        "load_average": load,
        "busy_cores": busy,
        "items": ours,
        "runs": done,
        "peers": {name: summary([run]) for name, run in zip([*fast, CHUNKS], [*theirs, *chunks], strict=True)},
    }


# -- one run -----------------------------------------------------------------------------------------------------------


def engine_run(case: Case, seed: int, begin_at: float = 0.0) -> Run:
    with _vendor(case, seed) as running:
        spec = {"slug": "sim_instant", "capability": "image", "stage": "image"}
        rows = {"quotas": list(case.quotas), "lane": dict(case.lane), "wants": [ITEM] * case.count}
        took = engine.run({"simulator": running.url, "begin_at": begin_at, **spec, **rows})
        return _run(took, took["stored"], simulated.told(running, "instant"), case)


def peer_run(name: str, case: Case, seed: int, begin_at: float = 0.0) -> Run:
    with _vendor(case, seed) as running:
        items = [{"prompt": f"Topic {n}", **ITEM} for n in range(case.count)]
        spec = {"url": f"{running.url}/instant", "path": "images", "items": items, "begin_at": begin_at}
        quota = {"amount": AMOUNT, "window_s": case.window_s, "limit_s": PATIENCE * case.best_s}
        took = run_peer(name, {**spec, **quota})
        return _run(took, took["done"], simulated.told(running, "instant"), case)


def _vendor(case: Case, seed: int) -> Any:
    settings = {"latency_s": case.latency_s, "limits": [{"requests": AMOUNT, "per_s": case.window_s}], **case.vendor}
    return simulated.vendor("instant", seed=seed, **settings)


def _run(took: dict[str, Any], done: int, told: dict[str, Any], case: Case) -> Run:
    return {
        "ratio": round(took["all_s"] / case.best_s, 4),
        "all_s": took["all_s"],
        "achievable_s": round(case.best_s, 3),
        "refusals": told["refusals"],
        "refusals_later": sum(at > case.window_s for at in told["refused_at_s"]),
        "refused_at_s": told["refused_at_s"][:40],
        "requests": told["requests"],
        "done": done,
        "lost": case.count - done,
        "first_after_s": round(told["first_at"] - took["began"], 3),
        "waves_s": waves(told["at_s"], case.window_s),
        "cpu_ms_per_call": round(1000 * took["cpu_s"] / max(1, told["requests"]), 2),
    }


def waves(at_s: Sequence[float], window_s: float) -> list[tuple[float, float]]:
    """First and last request of each wave, in seconds after its due moment: where time is lost between windows."""
    starts = range(0, len(at_s), AMOUNT)
    found = [(n // AMOUNT * window_s, at_s[n : n + AMOUNT]) for n in starts]
    return [(round(wave[0] - due, 3), round(wave[-1] - due, 3)) for due, wave in found]


def summary(done: Sequence[Run]) -> dict[str, Any]:
    """Medians of the runs; refusals and losses are added up."""
    finished = sum(run["done"] for run in done)
    return {
        "ratio": middle(run["ratio"] for run in done),
        "refusals": sum(run["refusals"] for run in done),
        "requests_per_success": round(sum(run["requests"] for run in done) / max(1, finished), 3),
        "lost": sum(run["lost"] for run in done),
        "cpu_ms_per_call": middle((run["cpu_ms_per_call"] for run in done), 2),
    }
