"""Many slices' worth of steps through one drive of a process of its own; prints its memory after every thousand.

python -m tests.jobs.engine.a_long_drive THOUSANDS
"""

from __future__ import annotations

import gc
import sys

import psutil

AT_ONCE = 1000


def main(thousands: int) -> None:
    import django

    django.setup()
    from benchmarks.noop_steps import add_steps, nothing_follows, prepare
    from jobs.engine.drive import Drive
    from jobs.models import Step
    from jobs.states import State

    batch, drive, process = prepare(), Drive("generation", slice_s=3600), psutil.Process()
    with nothing_follows():
        for _ in range(thousands):
            add_steps(batch, AT_ONCE)
            while drive.pool.busy or Step.objects.exclude(state=State.DONE).exists():
                drive.step_once()
            gc.collect()
            print(process.memory_full_info().pss, flush=True)
    drive.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
