"""python -m benchmarks.harness.steps SPEC: no-op steps through the engine, few and many, one line of JSON.

The lane has a day's quota, so that every claim has to know what was sent since yesterday.

Models can be imported once Django is set up: hence the imports inside of functions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import django

DAY_S = 86_400


def main(spec: dict[str, Any]) -> dict[str, Any]:
    django.setup()
    from benchmarks import noop_steps
    from providers.models import Provider, Quota

    few, many, runs = spec["few"], spec["many"], spec["runs"]
    batch = noop_steps.prepare()
    Quota.objects.create(provider=Provider.objects.get(), unit="requests", amount=10 * many, window_s=DAY_S)
    noop_steps.engine_run(batch, few)  # imports, caches, the plan of every statement
    found = {
        "few": [noop_steps.engine_run(batch, few) for _ in range(runs)],
        "many": [noop_steps.engine_run(batch, many)],
    }
    _vacuum()
    return {**found, "few_after_many": [noop_steps.engine_run(batch, few) for _ in range(runs)]}


def _vacuum() -> None:
    """What PostgreSQL does by itself within a minute of so many changes: else it would be at it beside what follows."""
    from django.db import connection

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
