from __future__ import annotations

import pytest

from jobs.engine import drive as drive_module
from jobs.engine.drive import Drive
from jobs.models import Step
from jobs.states import State
from tests.factories import a_batch

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]


def test_a_drive_that_ends_by_its_own_error_blames_no_step(monkeypatch):
    a_batch("Why bread rises")
    drive = Drive("generation", slice_s=5)

    def break_off(self, found):
        raise LookupError("an error of the engine itself")

    monkeypatch.setattr(drive_module.Drive, "_book", break_off)
    with pytest.raises(LookupError):
        drive.run()
    step = Step.objects.get()
    assert step.state == State.CLAIMED
    assert step.crash_count == 0
