from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SKIPPING = {
    "in a test": "import pytest\ndef test_skips():\n    pytest.skip('no')\n",
    "in a whole file": "import pytest\npytest.skip('no', allow_module_level=True)\n",
}


def run_pytest(folder, source, **environment):
    (folder / "test_it.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "-p", "no:django", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "-p", "tests.conftest", str(folder)],
        env={**os.environ, "CI": "", **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("where", SKIPPING)
def test_in_ci_a_skip_is_a_failure(tmp_path, where):
    done = run_pytest(tmp_path, SKIPPING[where], CI="true")
    assert done.returncode == 1
    assert "1 skipped: here that counts as failed." in done.stdout


def test_a_missing_ffmpeg_fails_the_tests_that_need_it(tmp_path):
    source = "import pytest\npytestmark = pytest.mark.ffmpeg\ndef test_film(): pass\n"
    done = run_pytest(tmp_path, source, PATH=str(tmp_path))
    assert done.returncode == 1
    assert "ffmpeg, ffprobe, espeak-ng missing here. `make test` installs what is missing." in done.stdout
