"""python -m benchmarks.harness.child migrate|prepare|drive|run SPEC: one process of an engine that is measured.

SPEC is a file with JSON. `prepare` writes the rows, `drive` waits for a line on its input and then drives until
nothing is open, `run` is both. Prints one line of JSON: when it began (the steps were ready, the drive came to life)
and what it took.

Models can be imported once Django is set up: hence the imports inside of functions.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import django

from benchmarks.harness.measure import wait_until

LOOK_EVERY_S = 0.2


def main(what: str, spec: dict[str, Any]) -> dict[str, Any]:
    django.setup()
    if what == "migrate":
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        return {}
    from providers import registry
    from tests import simulator_adapter

    simulator_adapter.register_all(spec["simulator"])
    registry.all_adapters()  # as a cluster does before it makes its workers
    if what != "drive":
        _prepare(spec)
    return {} if what == "prepare" else _drive(spec, wait=what == "drive")


def _prepare(spec: dict[str, Any]) -> None:
    from benchmarks.harness import rows

    lane = rows.a_vendor(spec["slug"], spec["capability"], quotas=spec["quotas"], **spec.get("lane", {}))
    rows.ready_steps(rows.a_batch(), lane, spec["stage"], spec["wants"])


def _plans_nothing(*_: Any) -> None:
    pass


def _drive(spec: dict[str, Any], *, wait: bool) -> dict[str, Any]:
    from jobs.engine import settlement
    from jobs.engine.drive import Drive
    from jobs.models import Asset, Attempt, Step

    settlement.advance = settlement.mark = _plans_nothing  # no plan made these steps, and none may call them off

    class UntilDone(Drive):
        """The drive as it is; it ends when no step is open any more, which it looks for now and then."""

        looked = 0.0

        def _is_over(self) -> bool:
            if time.monotonic() - self.looked > LOOK_EVERY_S:
                self.looked = time.monotonic()
                if not Step.objects.filter(state__in=OPEN).exists():
                    self.ends_at = 0.0
            return super()._is_over()

    if wait:
        print("ready", flush=True)
        sys.stdin.readline()
    wait_until(spec.get("begin_at", 0.0))
    began, cpu, clock = time.time(), time.process_time(), time.perf_counter()
    drive = UntilDone("generation", slice_s=spec["limit_s"])
    drive.run()
    took, cpu = time.perf_counter() - clock, time.process_time() - cpu
    stored = Asset.objects.order_by("-created_at").values_list("created_at", flat=True).first()
    return {
        "began": began,
        "took_s": round(took, 3),
        "all_s": round(stored.timestamp() - began, 4) if stored else None,
        "cpu_s": round(cpu, 3),
        "attempts": Attempt.objects.count(),
        "open": Step.objects.filter(state__in=OPEN).count(),
        "stored": Asset.objects.count(),
    }


OPEN = ("ready", "claimed", "running", "fetching", "unknown")

if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))))
