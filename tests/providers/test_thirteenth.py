"""One more vendor is the files of the recipe (CONTRIBUTING.md) and no edit elsewhere: one is made up, in a copy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "tests" / "fixtures" / "thirteenth"
PLACES = {
    "adapter.py.txt": "providers/adapters/acme.py",
    "test.py.txt": "tests/providers/test_acme.py",
    "examples.json.txt": "tests/fixtures/providers/acme.json",  # what the test is fed with
    "protocol.py.txt": "tests/simulator/protocols/acme.py",
    "page.md.txt": "docs/providers/acme.md",
}
COPIED = ("providers", "qc", "jobs", "vidbatch_site", "templates", "tests", "docs/providers", "pyproject.toml")


@pytest.mark.slow
def test_a_made_up_vendor_is_added_by_the_files_of_the_recipe(tmp_path):
    copy = tmp_path / "copy"
    for name in COPIED:
        source, target = ROOT / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    for name, place in PLACES.items():
        shutil.copy(RECIPE / name, copy / place)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "acme or sync"]
    common = sorted(str(path.relative_to(copy)) for path in copy.glob("tests/providers/test_every_adapter*.py"))
    places = [*common, "tests/providers/test_acme.py", "tests/providers/test_sync.py"]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("VIDBATCH_", "PYTEST_"))}
    done = subprocess.run([*command, *places], cwd=copy, env=own, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout[-3000:]
    assert int(passed[1]) > 40  # all that is asked of every adapter, of this one, too
