"""The trials themselves: the same seed gives the same trial, and what is broken on purpose is seen."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from jobs.engine.failpoints import PLACES
from tests.chaos import bugs, matrix, plan, runner
from tests.chaos.runner import ROOT


def test_the_same_seed_gives_the_same_trial_and_another_a_different_one():
    assert plan.draw("abc", 7) == plan.draw("abc", 7)
    assert plan.draw("abc", 7) != plan.draw("abc", 8)
    assert plan.draw("abc", 7) != plan.draw("abd", 7)


@pytest.mark.slow
def test_every_kind_of_event_and_depth_comes_in_two_hundred_trials():
    plans = [plan.draw("all", number) for number in range(200)]
    events = {event.what for each in plans for event in each.events}
    assert events >= {
        "kill",
        "kill_all",
        "stop",
        "pause",
        "cancel",
        "clock",
        "database",
        "disk",
        "vendor",
        "cap",
        "hooks",
    }
    assert {each.depth for each in plans} == set(plan.DEPTHS)
    assert {vendor for each in plans for vendor in each.vendor_of.values()} == set(plan.VENDORS)
    assert {each.controls["jobs"]["link_life_s"] > 0 for each in plans} == {True, False}


@pytest.mark.slow
def test_the_pace_names_waiting_times_that_exist():
    code = "import tests.chaos.preload; from tests.chaos import pace; pace.quicken(); pace.quicken()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_a_broken_trial_prints_how_to_see_it_again(capsys):
    broken = {"name": "abc-7", "database": "sqlite", "wall_s": 2.0, "violations": ["I4 oh"], "log": ["kill"]}
    runner.tell(broken)
    said = capsys.readouterr().out
    assert "I4 oh" in said
    assert "python -m tests.chaos replay abc-7 --database sqlite" in said


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_one_trial_ends_with_nothing_broken():
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.slot"],
        cwd=ROOT,
        input=json.dumps({"seed": "one", "number": 1, "depth": "texts"}) + "\n",
        capture_output=True,
        text=True,
        timeout=240,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["violations"] == [], result["log"]
    assert result["counts"]["attempts"] > 0


@pytest.mark.slow
def test_every_bug_can_still_be_planted():
    code = "import tests.chaos.preload; from tests.chaos import bugs; [plant() for plant in bugs._planters.values()]"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
    assert len(bugs.NAMES) == 10


@pytest.mark.slow
def test_files_are_synced_before_they_are_named_and_the_opposite_is_seen():
    ask = "import tests.chaos.preload; from tests.chaos import bugs; {}print(bugs.synced_before_named())"
    said = [
        subprocess.run(
            [sys.executable, "-c", ask.format(plant)], cwd=ROOT, check=True, timeout=60, capture_output=True, text=True
        ).stdout.strip()
        for plant in ("", "bugs.plant('renamed_before_synced'); ")
    ]
    assert said == ["True", "False"]


def test_every_cell_of_the_matrix_has_a_plan_and_every_place_a_cell():
    cells = list(matrix.cells())
    plans = [matrix.plan_of(cell.name) for cell in cells]
    assert len({each.name for each in plans}) == len(cells) > 100
    assert {cell.place for cell in cells} == PLACES - {"after_enlist"}  # nothing is in hand yet
