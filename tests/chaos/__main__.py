"""Trials of the engine under faults, drawn from a seed; see docs/chaos.md.

python -m tests.chaos trials --trials 200 --seed abc     # both databases; ends with "0 violations"
python -m tests.chaos replay abc-17 [--database postgres]
python -m tests.chaos matrix
python -m tests.chaos bugs
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.chaos import plan, runner


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("what", choices=("trials", "replay", "matrix", "bugs"))
    parser.add_argument("names", nargs="*", help="of a trial, of cells or of bugs")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial: to go on where a run ended")
    parser.add_argument("--seed", default="")
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--at-once", type=int, default=2, help="trials at a time, on each database in turn")
    parser.add_argument("--depth", choices=tuple(plan.DEPTHS), default="", help="all trials so far and no further")
    parser.add_argument("--verbose", action="store_true", help="a line for every trial")
    chosen = parser.parse_args()
    seed = chosen.seed or f"{int(time.time()) % 10**6:06d}"
    commands = {"replay": runner.replay, "matrix": runner.matrix_cells, "bugs": runner.planted_bugs}
    return {"trials": runner.trials, **commands}[chosen.what](chosen, seed)


if __name__ == "__main__":
    sys.exit(main())
