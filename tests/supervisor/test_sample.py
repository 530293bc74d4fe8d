"""The sample batch at full size, by the commands a person types: what comes of it and how much memory it needs.

How long it takes is measured by benchmarks/sample_batch.py.
"""

from __future__ import annotations

import threading

import psutil
import pytest

from tests.supervisor.installation import ROOT, Installation

TOPICS = ROOT / "docs" / "topics.csv"
FULL = (
    "from jobs.models import Project; from vidbatch_site.first_start import DEFAULTS; "
    "Project.objects.filter(slug='sample').update(defaults=DEFAULTS)"
)
PATIENCE_S = 900  # times whatever others leave of this machine
PYTHON_MB, PROGRAM_MB = 450, 300
LOOK_EVERY_S = 1.0


class Memory(threading.Thread):
    """The most that all our Python processes together, and the largest other one, took (PSS)."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(daemon=True)
        self.installation, self.over = installation, threading.Event()
        self.python_mb = self.program_mb = 0.0

    def run(self) -> None:
        while not self.over.wait(LOOK_EVERY_S):
            python = 0.0
            for process in [psutil.Process(self.installation.process.pid), *self.installation.tree()]:
                try:
                    words, pss = process.cmdline(), process.memory_full_info().pss / 2**20
                except psutil.Error:
                    continue
                if any("manage.py" in word or "gunicorn" in word for word in words):
                    python += pss
                else:
                    self.program_mb = max(self.program_mb, pss)
            self.python_mb = max(self.python_mb, python)


@pytest.mark.chaos
@pytest.mark.ffmpeg
def test_the_sample_batch_is_made_in_little_memory_and_its_two_flaws_wait_for_review(installation):
    installation.manage("shell", "-v", "0", "-c", FULL)
    installation.start()
    memory = Memory(installation)
    memory.start()
    made = installation.manage("batch", str(TOPICS), "--project", "sample", "--wait", timeout_s=PATIENCE_S)
    memory.over.set()
    memory.join()
    assert made.returncode == 1
    assert "3 finished, 2 needs review" in made.stderr
    states = installation.rows("select position, state, state_note from jobs_video order by position")
    assert [state for _, state, _ in states] == ["done", "review", "done", "review", "done"]
    assert [note for _, state, note in states if state == "review"] == [
        "Waits for a reviewer: image.",
        "Waits for a reviewer: voiceover.",
    ]
    print(f"Python {memory.python_mb:.0f} MB, largest program {memory.program_mb:.0f} MB")
    assert memory.python_mb < PYTHON_MB
    assert memory.program_mb < PROGRAM_MB
