"""A drive in a process of its own, for tests: python -m tests.jobs.engine.a_drive [POINT]

Works until nothing is left for it. POINT names the place at which it kills itself, as a power cut would.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

LONGEST_S = 40.0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: die()


def after(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if getattr(result, "tickets", True):
            die()
        return result

    return run


def main(point: str) -> None:
    import django

    django.setup()
    from jobs.engine import bulk, bulk_claim, bulk_settle, calls, drive, failures, polling, reconcile, settle
    from jobs.models import Step
    from jobs.states import State
    from providers.types import Recovery
    from tests.simulator_adapter import EVERYTHING, SimInstant, register_all

    register_all()
    if "VIDBATCH_TEST_FREE" in os.environ:
        SimInstant.recovery = dict.fromkeys(EVERYTHING, Recovery.FREE)
    failures.LIST_LAG_S = reconcile.LIST_LAG_S = 0.1
    bulk.LOOK_EVERY_S = bulk_claim.FILL_S = bulk_settle.POLL_LEAST_S = bulk_settle.READ_AGAIN_S = 0.05
    polling.FIRST_GUESS_S = polling.LEAST_STEP_S = drive.LOOK_EVERY_S = 0.05
    places = {
        "after_claim": (drive, "claim", after),
        "before_send": (calls, "submit", before),
        "after_send": (calls, "submit", after),
        "before_settle": (settle, "settle_calls", before),
        "after_settle": (settle, "settle_calls", after),
    }
    if point:
        module, name, wrap = places[point]
        setattr(module, name, wrap(getattr(module, name)))
    mine = drive.Drive("generation", slice_s=LONGEST_S)
    open_ = (State.READY, State.CLAIMED, State.RUNNING, State.UNKNOWN, State.FETCHING)
    end = time.monotonic() + LONGEST_S
    while Step.objects.filter(state__in=open_).exists() and time.monotonic() < end:
        mine.step_once()
    mine.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
