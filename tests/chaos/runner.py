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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.chaos import bugs, matrix

ROOT = Path(__file__).resolve().parents[2]


class SlotEnded(Exception):
    def told(self, order: dict[str, Any]) -> dict[str, Any]:
        """As the result of the trial that it was about."""
        cell, database = order.get("cell", ""), str(self.args[1])
        name = cell or f"{order['seed']}-{order['number']}"
        told = {"name": name, "database": database, "cell": cell, "violations": [str(self.args[0])]}
        return {**told, "log": [], "wall_s": 0.0, "counts": {}}


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
            raise SlotEnded(f"The process that ran it ended with {self.process.wait()}.", self.database)
        return dict(json.loads(line))

    def run(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin
        with suppress(BrokenPipeError):  # told by what is read
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
        return {**self._read(), "database": self.database, "cell": order.get("cell", "")}

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait(20)
        self.process.stdout.close()


def run_all(orders: Iterable[dict[str, Any]], databases: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Results as they come; each slot takes the next order when it is free. Closing it ends the slots."""
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()
    enough = threading.Event()
    for order in orders:
        waiting.put(order)

    def serve(database: str) -> None:
        try:
            while not enough.is_set() and not waiting.empty():
                work_through(Slot(database))
        except BaseException as error:
            results.put(error)
        results.put(None)

    def work_through(slot: Slot) -> None:
        """Until nothing is waiting, or until the slot ends: that is told of its trial, and another one goes on."""
        order: dict[str, Any] = {}
        try:
            with suppress(queue.Empty):
                while not enough.is_set():
                    order = waiting.get_nowait()
                    results.put(slot.run(order))
        except SlotEnded as ended:
            results.put(ended.told(order))
        finally:
            slot.close()

    threads = [threading.Thread(target=serve, args=(database,), daemon=True) for database in databases]
    for thread in threads:
        thread.start()
    left = len(threads)
    try:
        while left:
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            if result is None:
                left -= 1
            else:
                yield result
    finally:
        enough.set()
        for thread in threads:
            thread.join(120)


def trials(chosen: Namespace, seed: str) -> int:
    """So many trials, on the databases in turn; 0 when nothing was broken."""
    print(f"seed {seed}: {chosen.trials} trials", flush=True)
    kinds = kinds_of(chosen)
    databases = [kinds[n % len(kinds)] for n in range(max(chosen.at_once, len(kinds)))]
    orders = [
        {"seed": seed, "number": n, "depth": chosen.depth} for n in range(chosen.first, chosen.first + chosen.trials)
    ]
    return report(run_all(orders, databases), verbose=chosen.verbose, what=f"seed {seed}")


def replay(chosen: Namespace, seed: str) -> int:
    seed, _, number = chosen.names[0].rpartition("-")
    order = {"seed": seed, "number": int(number), "depth": chosen.depth}
    return report(run_all([order], kinds_of(chosen)[:1]), verbose=True, what=chosen.names[0])


def matrix_cells(chosen: Namespace, seed: str) -> int:
    """Every cell whose name has all the given parts, on each database."""
    broken = 0
    names = [cell.name for cell in matrix.cells() if all(part in cell.name for part in chosen.names)]
    for kind in kinds_of(chosen):
        results = run_all([{"cell": name} for name in names], [kind] * chosen.at_once)
        broken += report(results, verbose=chosen.verbose, what=f"{len(names)} cells on {kind}")
    return broken


def planted_bugs(chosen: Namespace, seed: str) -> int:
    """For each bug the number of trials until it was caught."""
    names = chosen.names or bugs.NAMES
    missed = [name for name in names if not _caught(name, chosen, seed)]
    print(
        f"{len(names) - len(missed)} of {len(names)} bugs caught" + (f"; missed: {', '.join(missed)}" if missed else "")
    )
    return int(bool(missed))


def _caught(name: str, chosen: Namespace, seed: str) -> bool:
    if name == "renamed_before_synced":
        code = f"import tests.chaos.preload; from tests.chaos import bugs; bugs.plant('{name}'); "
        done = subprocess.run([sys.executable, "-c", code + "assert bugs.synced_before_named()"], cwd=ROOT, stderr=-3)
        print(f"{name}: " + ("caught by the order of the calls" if done.returncode else "NOT caught"), flush=True)
        return bool(done.returncode)
    orders = [{"seed": f"{seed}bug", "number": number, "bug": name} for number in range(chosen.trials)]
    kinds = kinds_of(chosen)
    ran = run_all(orders, [kinds[n % len(kinds)] for n in range(chosen.at_once)])
    for count, result in enumerate(ran, start=1):
        if result["violations"]:
            print(
                f"{name}: caught after {count} trials ({result['name']}): {result['violations'][0][:160]}", flush=True
            )
            ran.close()
            return True
    print(f"{name}: NOT caught in {chosen.trials} trials", flush=True)
    return False


def kinds_of(chosen: Namespace) -> list[str]:
    return ["sqlite", "postgres"] if chosen.database == "both" else [chosen.database]


def report(results: Iterable[dict[str, Any]], *, verbose: bool, what: str) -> int:
    """Prints what broke, and the sum of it all in the last line; 0 when nothing was broken."""
    began, broken, walls = time.monotonic(), 0, []
    for result in results:
        walls.append(result["wall_s"])
        if verbose:
            log = "; ".join(result["log"])
            print(result["name"], result["database"], result["wall_s"], result["counts"], log, flush=True)
        if result["violations"]:
            broken += 1
            tell(result)
    walls.sort()
    middle, last, load = walls[len(walls) // 2], walls[-1], os.getloadavg()[0]
    seconds = time.monotonic() - began
    print(
        f"{what}: {len(walls)} trials in {seconds:.0f} s (median {middle:.1f} s, longest {last:.1f} s), load {load:.1f}"
    )
    print(f"{broken} of {len(walls)} trials with violations" if broken else "0 violations", flush=True)
    return int(bool(broken))


def tell(result: dict[str, Any]) -> None:
    print(f"\n{result['name']} on {result['database']} ({result['wall_s']} s):")
    for sentence in result["violations"][:20]:
        print(f"  - {sentence}")
    for line in result["log"]:
        print(f"    {line}")
    how = f"matrix {result['cell']}" if result.get("cell") else f"replay {result['name']}"
    print(f"    again: python -m tests.chaos {how} --database {result['database']}", flush=True)
