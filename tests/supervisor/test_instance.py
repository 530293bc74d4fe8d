from __future__ import annotations

import subprocess
import sys

import pytest

from vidbatch_site.supervisor import instance
from vidbatch_site.supervisor.identity import started


@pytest.fixture
def sleeper():
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"],
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_group_that_an_earlier_run_left_is_ended(sleeper):
    instance.write("web", instance.record_of(sleeper.pid))
    assert instance.end_leftovers("web") is True
    assert sleeper.wait(5) == -9
    assert instance.read("web") == instance.Record()


def test_another_process_with_the_same_number_is_left_alone(sleeper):
    record = instance.Record(group=sleeper.pid, started=started(sleeper.pid) + "1")
    instance.write("web", record)
    assert instance.end_leftovers("web") is False
    assert sleeper.poll() is None


def test_a_record_that_cannot_be_read_ends_nothing(sleeper):
    instance.write("web", instance.record_of(sleeper.pid))
    instance.record_path("web").write_text("{")
    assert instance.end_leftovers("web") is False
    assert sleeper.poll() is None


def test_a_process_that_is_gone_has_no_start_time(sleeper):
    assert started(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    assert started(sleeper.pid) == ""
