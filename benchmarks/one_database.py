"""python -m benchmarks.one_database COUNT: measures the database of the settings, prints one line of JSON."""

from __future__ import annotations

import json
import sys
from statistics import median

import django

ROUNDS = 3


def main(count: int) -> None:
    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from benchmarks import noop_steps

    call_command("migrate", verbosity=0)
    group = settings.CALL_THREADS
    batch = noop_steps.prepare()
    engine, bare = [], []
    for _ in range(ROUNDS):  # in turns, so that a busy moment of the machine hits both
        bare.append(noop_steps.bare_run(batch, count // ROUNDS, group))
        engine.append(noop_steps.engine_run(batch, count // ROUNDS))
    version = connection.Database.sqlite_version if connection.vendor == "sqlite" else str(connection.pg_version)
    middle = {name: median(run[name] for run in engine) for name in engine[0]}
    peer = {name: median(run[name] for run in bare) for name in bare[0]}
    result = {"engine": middle, "bare": peer, "group": group, "version": version}
    result["ratio"] = round(middle["steps_per_s"] / peer["steps_per_s"], 3)
    result["cpu_ratio"] = round(peer["cpu_ms_per_step"] / middle["cpu_ms_per_step"], 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main(int(sys.argv[1]))
