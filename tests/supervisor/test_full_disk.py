"""A disk without room ends no child: neither its log nor the note of its process is worth that."""

from __future__ import annotations

import errno
import shutil
import sys
from pathlib import Path

import pytest

from vidbatch_site.supervisor import children, instance
from vidbatch_site.supervisor.children import Child, keep_log_short, log_path


@pytest.fixture(autouse=True)
def _folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path


def no_room(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def child(monkeypatch):
    """It says one word and ends."""
    monkeypatch.setattr(Child, "_command", lambda child: [sys.executable, "-c", "print('word')"])
    return Child(role="media", leash=-1)


def test_a_log_without_room_for_its_copy_is_emptied_and_half_a_copy_goes(monkeypatch):
    def copy_half(path, older):
        older.write_text("half")
        no_room()

    monkeypatch.setattr(children, "LOG_BYTES", 3)
    monkeypatch.setattr(shutil, "copyfile", copy_half)
    log_path("media").write_text("much")
    keep_log_short("media")
    assert [(path.name, path.stat().st_size) for path in log_path("media").parent.iterdir()] == [("media.log", 0)]


def test_a_child_starts_where_its_process_cannot_be_noted_down(child, monkeypatch):
    monkeypatch.setattr(Path, "write_text", no_room)
    child.start()
    assert child.process.wait(10) == 0
    assert log_path("media").read_text() == "word\n"
    assert instance.read("media") == instance.Record()


def test_a_child_starts_where_no_log_can_be_made(child, monkeypatch):
    opened = Path.open

    def open_or_fail(path, *args, **kwargs):
        return no_room() if path == log_path("media") else opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_or_fail)
    child.start()
    assert child.process.wait(10) == 0
    assert instance.read("media").group == child.process.pid
