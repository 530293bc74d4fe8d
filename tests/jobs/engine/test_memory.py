from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.slow]
THOUSANDS, WARM_AFTER, MOST_GROWTH = 8, 2, 1.05


def test_a_drive_needs_no_more_memory_for_its_eighth_thousand_of_steps_than_for_its_second(
    transactional_db, child_environment
):
    command = [sys.executable, "-m", "tests.jobs.engine.a_long_drive", str(THOUSANDS)]
    done = subprocess.run(command, env=child_environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    taken_mb = [int(line) / 2**20 for line in done.stdout.split()]
    print("PSS after every 1,000 steps:", ", ".join(f"{mb:.1f}" for mb in taken_mb), "MB")
    assert len(taken_mb) == THOUSANDS
    assert taken_mb[-1] <= MOST_GROWTH * taken_mb[WARM_AFTER - 1]
