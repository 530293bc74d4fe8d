"""python -m benchmarks [--only A_quiet,B,…] [--runs 5]: the engine beside what is achievable, and beside others.

Writes benchmarks/report.json, scenario by scenario: what is not measured now stays as it was. `--table` prints the
report and measures nothing; `--docs` also writes it into docs/benchmarks.md. Exits with 1 when a figure is not reached.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from benchmarks import report
from benchmarks.harness.measure import load_average
from benchmarks.scenarios import SCENARIOS, WAIT_MOSTLY


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help=f"some of {', '.join(SCENARIOS)}, with commas between them")
    parser.add_argument("--runs", type=int, default=5, help="of our own figures; the middle one counts")
    parser.add_argument("--table", action="store_true", help="print the report as a table")
    parser.add_argument("--docs", action="store_true", help="write that table into docs/benchmarks.md")
    chosen = parser.parse_args()
    if chosen.table or chosen.docs:
        print(report.table(report.read()))
        if chosen.docs:
            report.write_docs(report.read())
        return 0
    keys = [key for key in chosen.only.split(",") if key] or list(SCENARIOS)
    if unknown := [key for key in keys if key not in SCENARIOS]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    missed = [key for group in _groups(keys) for key in _together(group, chosen.runs)]
    print(f"missed: {', '.join(missed)}" if missed else "all reached")
    return 1 if missed else 0


def _groups(keys: list[str]) -> list[list[str]]:
    """One after the other, but those that wait for nearly all of their time."""
    waiting = [key for key in keys if key in WAIT_MOSTLY]
    return [[key] for key in keys if key not in waiting] + ([waiting] if waiting else [])


def _together(keys: list[str], runs: int) -> list[str]:
    """Those of them that missed."""
    with ThreadPoolExecutor(len(keys)) as threads:
        reached = list(threads.map(lambda key: _measure(key, runs), keys))
    return [key for key, is_reached in zip(keys, reached, strict=True) if not is_reached]


def _measure(key: str, runs: int) -> bool:
    began = time.monotonic()
    print(f"{key} … (load {load_average()})", flush=True)
    try:
        figures = SCENARIOS[key](runs)
    except Exception:  # what broke here is no reason to lose the others
        traceback.print_exc()
        print(f"{key}: BROKE OFF, its reason is above", flush=True)
        return False
    figures["took_s"] = round(time.monotonic() - began)
    report.keep(key, figures)
    reached = report.is_reached(figures)
    refused = f", {figures['refusals']} refused" if "refusals" in figures else ""
    print(
        f"{key}: {figures['value']}, asked for {figures['target']}{refused}: {'reached' if reached else 'MISSED'}"
        f" (load {figures['load_average']}, {figures['took_s']} s)",
        flush=True,
    )
    return reached


if __name__ == "__main__":
    sys.exit(main())
