"""C: 500 prompts of 300 to 2,500 tokens under 500 requests and 80,000 tokens a minute, ten times as fast.

What a prompt has in tokens is only estimated from its characters; the vendor counts up to 30 % fewer or more.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from random import Random
from typing import Any

from benchmarks import bounds
from benchmarks.harness import engine, simulated
from benchmarks.harness.measure import Job, in_groups, load_average, middle
from benchmarks.harness.peer import run_peer

from .windows import summary

COUNT, WINDOW_S = 500, 6
REQUESTS, TOKENS = 500, 80_000
LEAST, MOST, OUTPUT = 300, 2_500, 100  # tokens of a call by its characters, the answer's among them
CHARACTERS_A_TOKEN = 4
FACTOR = (0.7, 1.3)
LATENCY_S = (1.0, 1.5)
PATIENCE = 3
AT_ONCE = 2
PEERS = ("aiolimiter_tokens", "parallel_script")
QUOTAS = [
    {"unit": unit, "amount": amount, "window_s": WINDOW_S}
    for unit, amount in (("requests", REQUESTS), ("tokens", TOKENS))
]
Run = dict[str, Any]


def measure(runs: int) -> dict[str, Any]:
    """About sixty calls a window: two runs beside each other, half a window apart; more take each other's core."""
    jobs: list[Job] = [partial(engine_run, seed) for seed in range(1, runs + 1)]
    jobs += [partial(peer_run, name, 1) for name in PEERS]
    done = in_groups(jobs, AT_ONCE, window_s=WINDOW_S)
    ours = summary(done[:runs])
    return {
        "value": ours["ratio"],
        "target": 1.03,
        "of_the_clairvoyant_bound": middle(run["of_the_clairvoyant_bound"] for run in done[:runs]),
        **{name: ours[name] for name in ("refusals", "requests_per_success", "lost")},
        "load_average": load_average(),
        "runs": done[:runs],
        "peers": {name: summary([run]) for name, run in zip(PEERS, done[runs:], strict=True)},
    }


def prompts(seed: int) -> list[str]:
    chance = Random(f"prompts {seed}")
    sizes = [chance.randint(LEAST, MOST) - OUTPUT for _ in range(COUNT)]
    return [f"{n:05d} ".ljust(size * CHARACTERS_A_TOKEN - 4, ".") for n, size in enumerate(sizes)]


def engine_run(seed: int, begin_at: float = 0.0) -> Run:
    with _vendor(seed) as running:
        spec = {"slug": "sim_instant", "capability": "script", "stage": "script", "quotas": QUOTAS}
        wants = [{"prompt": prompt, "extra": ANSWER} for prompt in prompts(seed)]
        took = engine.run({"simulator": running.url, "begin_at": begin_at, **spec, "wants": wants})
        return _run(seed, took, took["stored"], simulated.told(running, "instant"))


def peer_run(name: str, seed: int, begin_at: float = 0.0) -> Run:
    with _vendor(seed) as running:
        items = [
            {"prompt": text, **ANSWER, "tokens": len(text) // CHARACTERS_A_TOKEN + OUTPUT} for text in prompts(seed)
        ]
        quota = {"amount": REQUESTS, "tokens": TOKENS, "window_s": WINDOW_S, "limit_s": PATIENCE * 60}
        spec = {"url": f"{running.url}/instant", "path": "texts", "items": items, "begin_at": begin_at}
        took = run_peer(name, {**spec, **quota})
        return _run(seed, took, took["done"], simulated.told(running, "instant"))


ANSWER = {"max_tokens": OUTPUT, "output_tokens": OUTPUT}


def _vendor(seed: int) -> Any:
    limits = [{"requests": REQUESTS, "per_s": WINDOW_S}, {"tokens": TOKENS, "per_s": WINDOW_S}]
    return simulated.vendor("instant", seed=seed, limits=limits, latency_s=LATENCY_S, token_factor=FACTOR)


def _run(seed: int, took: dict[str, Any], done: int, told: dict[str, Any]) -> Run:
    """Beside the client without overhead that has estimates only, and beside the fewest windows that hold all tokens,
    which would take knowing beforehand what the vendor will count."""
    best = bounds.by_estimates(_calls(seed, told), amount=TOKENS, window_s=WINDOW_S)
    clairvoyant = bounds.weighted(told["tokens"], amount=TOKENS, window_s=WINDOW_S, latency_s=LATENCY_S)
    return {
        "ratio": round(took["all_s"] / best, 4),
        "of_the_clairvoyant_bound": round(took["all_s"] / clairvoyant, 4),
        "all_s": took["all_s"],
        "achievable_s": round(best, 3),
        "clairvoyant_s": round(clairvoyant, 3),
        "tokens": sum(told["tokens"]),
        "windows": told["windows"],
        "refusals": told["refusals"],
        "refused_at_s": told["refused_at_s"][:40],
        "requests": told["requests"],
        "done": done,
        "lost": COUNT - done,
        "cpu_ms_per_call": round(1000 * took["cpu_s"] / max(1, told["requests"]), 2),
    }


def _calls(seed: int, told: dict[str, Any]) -> list[bounds.Estimated]:
    """As they were listed. Prompts of one length are alike to any client."""
    counted: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for characters, tokens, seconds in zip(told["characters"], told["tokens"], told["durations_s"], strict=True):
        counted[characters].append((tokens, seconds))
    if counted.keys() - {len(prompt) for prompt in prompts(seed)}:
        raise AssertionError("The vendor counts other characters than were sent.")
    taken = [(len(prompt), counted[len(prompt)].pop()) for prompt in prompts(seed) if counted[len(prompt)]]
    return [bounds.Estimated(size / CHARACTERS_A_TOKEN + OUTPUT, *outcome) for size, outcome in taken]
