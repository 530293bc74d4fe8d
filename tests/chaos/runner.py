"""Hands trials out to slots, prints what breaks and how to see it again."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Slot:
    """A process that runs trials on one database, one at a time."""

    def __init__(self, database: str) -> None:
        self.database = database
        command = [sys.executable, "-m", "tests.chaos.slot"]
        if database == "postgres":
            command = [sys.executable, "-m", "tests.services", "postgres", "--", *command]
        environment = {k: v for k, v in os.environ.items() if k not in ("TRIALS", "SEED")}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"A slot on {self.database} ended with {self.process.wait()}.")
        return dict(json.loads(line))

    def run(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return {**self._read(), "database": self.database}

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait(20)
        self.process.stdout.close()


def run_all(orders: Iterable[dict[str, Any]], databases: list[str]) -> Iterator[dict[str, Any]]:
    """Results as they come; each slot takes the next order when it is free."""
    waiting: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for order in orders:
        waiting.put(order)

    def serve(database: str) -> None:
        try:
            slot = Slot(database)
            try:
                while not waiting.empty():
                    results.put(slot.run(waiting.get()))
            finally:
                slot.close()
        except BaseException as error:
            results.put(error)
        results.put(None)

    threads = [threading.Thread(target=serve, args=(database,), daemon=True) for database in databases]
    for thread in threads:
        thread.start()
    left = len(threads)
    while left:
        result = results.get()
        if isinstance(result, BaseException):
            raise result
        if result is None:
            left -= 1
        else:
            yield result


def trials(chosen: Namespace, seed: str) -> int:
    """So many trials, on the databases in turn; 0 when nothing was broken."""
    print(f"seed {seed}: {chosen.trials} trials", flush=True)
    kinds = ["sqlite", "postgres"] if chosen.database == "both" else [chosen.database]
    databases = [kinds[n % len(kinds)] for n in range(chosen.at_once)]
    began, broken, walls = time.monotonic(), 0, []
    for result in run_all(
        ({"seed": seed, "number": n, "depth": chosen.depth} for n in range(chosen.trials)), databases
    ):
        walls.append(result["wall_s"])
        if chosen.verbose:
            print(result["name"], result["database"], result["wall_s"], result["counts"], "; ".join(result["log"]))
        if result["violations"]:
            broken += 1
            tell(result)
    seconds = time.monotonic() - began
    walls.sort()
    print(
        f"{len(walls)} trials in {seconds:.0f} s (median {walls[len(walls) // 2]:.1f} s, longest {walls[-1]:.1f} s), "
        f"load {os.getloadavg()[0]:.1f}, seed {seed}"
    )
    print(f"{broken} violations" if broken else "0 violations", flush=True)
    return int(bool(broken))


def tell(result: dict[str, Any]) -> None:
    print(f"\n{result['name']} on {result['database']} ({result['wall_s']} s):")
    for sentence in result["violations"][:20]:
        print(f"  - {sentence}")
    for line in result["log"]:
        print(f"    {line}")
    print(f"    again: python -m tests.chaos replay {result['name']} --database {result['database']}", flush=True)
