"""C: 500 prompts of 300 to 2,500 tokens under 500 requests and 80,000 tokens a minute, ten times as fast.

What a prompt has in tokens is only estimated from its characters; the vendor counts up to 30 % fewer or more.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from benchmarks import bounds
from benchmarks.harness import engine, simulated
from benchmarks.harness.measure import Job, in_groups, load_average
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
        return _run(took, took["stored"], simulated.told(running, "instant"))


def peer_run(name: str, seed: int, begin_at: float = 0.0) -> Run:
    with _vendor(seed) as running:
        items = [
            {"prompt": text, **ANSWER, "tokens": len(text) // CHARACTERS_A_TOKEN + OUTPUT} for text in prompts(seed)
        ]
        quota = {"amount": REQUESTS, "tokens": TOKENS, "window_s": WINDOW_S, "limit_s": PATIENCE * 60}
        spec = {"url": f"{running.url}/instant", "path": "texts", "items": items, "begin_at": begin_at}
        took = run_peer(name, {**spec, **quota})
        return _run(took, took["done"], simulated.told(running, "instant"))


ANSWER = {"max_tokens": OUTPUT, "output_tokens": OUTPUT}


def _vendor(seed: int) -> Any:
    limits = [{"requests": REQUESTS, "per_s": WINDOW_S}, {"tokens": TOKENS, "per_s": WINDOW_S}]
    return simulated.vendor("instant", seed=seed, limits=limits, latency_s=LATENCY_S, token_factor=FACTOR)


def _run(took: dict[str, Any], done: int, told: dict[str, Any]) -> Run:
    """Beside the fewest windows into which all tokens fit, as the vendor counted them."""
    best = bounds.weighted(told["tokens"], amount=TOKENS, window_s=WINDOW_S, latency_s=LATENCY_S)
    return {
        "ratio": round(took["all_s"] / best, 4),
        "all_s": took["all_s"],
        "achievable_s": round(best, 3),
        "tokens": sum(told["tokens"]),
        "windows": told["windows"],
        "refusals": told["refusals"],
        "refused_at_s": told["refused_at_s"][:40],
        "requests": told["requests"],
        "done": done,
        "lost": COUNT - done,
        "cpu_ms_per_call": round(1000 * took["cpu_s"] / max(1, told["requests"]), 2),
    }
