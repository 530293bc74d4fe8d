from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from jobs.engine import worker
from vidbatch_site.supervisor.tidy import tidy


@pytest.fixture
def folders(settings, tmp_path):
    for name in ("MEDIA_ROOT", "WORK_ROOT", "LOCK_ROOT"):
        folder = tmp_path / name
        folder.mkdir()
        setattr(settings, name, folder)
    return tmp_path


def made_days_ago(path: Path, days: float) -> Path:
    path.touch()
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


def test_old_locks_of_the_dead_go_and_those_of_the_living_and_the_shared_ones_stay(folders):
    locks = folders / "LOCK_ROOT"
    worker.hold("alive")
    for name in ("alive", "dead", "instance-web", "driving-media"):
        made_days_ago(locks / f"{name}.lock", 2)
    made_days_ago(locks / "young.lock", 0.5)
    tidy()
    left = {path.stem for path in locks.iterdir()}
    worker.let_go("alive")
    assert left == {"alive", "instance-web", "driving-media", "young"}


def test_what_a_killed_call_left_goes_after_a_day(folders):
    old, young = folders / "WORK_ROOT" / "1-a", folders / "WORK_ROOT" / "2-b"
    for folder in (old, young):
        folder.mkdir()
        (folder / "part.mp4").touch()
    os.utime(old, (0, 0))
    tidy()
    assert (old.exists(), young.exists()) == (False, True)
