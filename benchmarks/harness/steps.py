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
    return {
        "few": [noop_steps.engine_run(batch, few) for _ in range(runs)],
        "many": [noop_steps.engine_run(batch, many)],
        "few_after_many": [noop_steps.engine_run(batch, few) for _ in range(runs)],
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
