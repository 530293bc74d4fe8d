"""A drive is killed at every seam of a bulk job: nothing is lost, and nothing is bought twice."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from jobs.models import Attempt, BulkJob
from tests.simulator_adapter import URL_VARIABLE

from .conftest import HALF, all_done, creates, in_bulk, seller

pytestmark = [pytest.mark.engine, pytest.mark.slow]
PLACES = (
    "mid_fill",
    "after_fill",
    "before_upload",
    "after_upload",
    "before_create",
    "after_create",
    "mid_created",
    "mid_read",
    "after_read",
    "mid_settle",
)
PASS = {"mid_read": "@55"}  # when some lines are handed over already


@pytest.mark.parametrize("place", PLACES)
def test_a_death_loses_nothing_and_buys_nothing_twice(scene, child_environment, place):
    in_bulk(scene, seller(scene), 60)
    variables = {
        **child_environment,
        URL_VARIABLE: scene.sim.url,
        "VIDBATCH_FAILPOINTS": f"{place}=kill{PASS.get(place, '')}",
    }
    child = subprocess.Popen([sys.executable, "-m", "tests.jobs.engine.a_drive"], env=variables)
    assert child.wait(40) == -signal.SIGKILL
    scene.drive_until(all_done, within_s=40)
    assert BulkJob.objects.get().state == BulkJob.State.OVER
    assert Attempt.objects.count() == 60
    assert creates(scene) == ["accepted"]
    assert scene.books()["vendors"]["bulk"]["billed_micro"] == 60 * HALF
    scene.check()


def test_two_drives_at_once_send_every_line_once(scene, child_environment):
    provider = seller(scene)
    for _ in range(3):
        in_bulk(scene, provider, 20)
    variables = {**child_environment, URL_VARIABLE: scene.sim.url}
    children = [subprocess.Popen([sys.executable, "-m", "tests.jobs.engine.a_drive"], env=variables) for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    scene.drive_until(all_done)
    assert Attempt.objects.count() == 60
    assert scene.books()["vendors"]["bulk"]["billed_micro"] == 60 * HALF
    scene.check()
