from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import OperationalError

from jobs import checks
from jobs.engine import failpoints
from jobs.engine.failpoints import PLACES, BadFailpoint, Disturbed, arm, failpoint

ROOT = Path(__file__).resolve().parents[3]
PASSED = re.compile(r'(?:failpoint|passing)\(f?"([a-z_{}]+)"\)')
CHILD = "from jobs.engine.failpoints import failpoint; failpoint('after_claim'); print('alive', flush=True); "


@pytest.fixture(autouse=True)
def disarmed():
    yield
    arm("")


def test_every_place_stands_in_the_source_and_no_other():
    sources = [*(ROOT / "jobs/engine").glob("*.py"), ROOT / "providers/downloads.py"]
    found = {name for path in sources for name in PASSED.findall(path.read_text())}
    if "before_{kind}" in found:
        found = found - {"before_{kind}"} | {"before_poll", "before_find"}
    assert found == PLACES
    assert len(PLACES) >= 20


def test_nothing_happens_in_a_process_that_was_told_nothing():
    assert failpoints._orders == {}
    for place in PLACES:
        failpoint(place)


def test_the_action_comes_on_the_pass_that_was_named_and_on_no_other():
    arm("mid_claim=raise@2; before_settle=busy")
    failpoint("mid_claim")
    with pytest.raises(Disturbed, match="mid_claim"):
        failpoint("mid_claim")
    failpoint("mid_claim")
    with pytest.raises(OperationalError):
        failpoint("before_settle")


def test_a_full_disk_looks_like_one():
    arm("mid_download=enospc")
    with pytest.raises(OSError, match="no room"):
        failpoint("mid_download")


@pytest.mark.parametrize("text", ["nowhere=kill", "after_claim=explode", "after_claim", "after_claim=kill@x"])
def test_what_is_not_understood_is_refused_with_a_sentence(text):
    with pytest.raises(BadFailpoint, match="write PLACE=ACTION@PASS"):
        arm(text)


def test_a_process_kills_itself_where_its_environment_says_so_and_logs_it():
    environment = {**os.environ, failpoints.VARIABLE: "after_claim=kill@2"}
    child = subprocess.run(
        [sys.executable, "-c", CHILD + CHILD], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert child.returncode == -signal.SIGKILL
    assert child.stdout == "alive\n"
    assert "disturbed on purpose" in child.stderr


def test_the_check_of_a_deployment_refuses_failpoints(monkeypatch):
    assert checks.nothing_disturbs_on_purpose(None) == []
    monkeypatch.setenv(failpoints.VARIABLE, "after_claim=kill")
    assert [problem.id for problem in checks.nothing_disturbs_on_purpose(None)] == ["jobs.E006"]
