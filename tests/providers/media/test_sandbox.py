from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from providers.media import sandbox
from providers.media.children import FFMPEG_INTERRUPTED
from providers.media.sandbox import MediaError, MediaTimeout, ProgramMissing, Stopped


def test_a_program_sees_a_clean_environment(monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "canary")
    seen = sandbox.run(["env"], timeout_s=5).stdout.decode()
    assert "canary" not in seen
    assert {line.partition("=")[0] for line in seen.split()} <= {
        "PATH", "LANG", "HOME", "MALLOC_ARENA_MAX", "PWD", "OLDPWD", "SHLVL", "_",
    }  # fmt: skip


def test_arguments_reach_the_program_untouched_by_any_shell():
    nasty = ["$(touch x)", "`id`", "a;b", "*", "two words", "'\""]
    assert sandbox.run(["printf", "%s\n", *nasty], timeout_s=5).stdout.decode().splitlines() == nasty


def test_what_is_given_on_stdin_arrives():
    assert sandbox.run(["cat"], timeout_s=5, stdin=b"x" * 300_000).stdout == b"x" * 300_000


def test_a_program_runs_nicely_in_our_process_group():
    shown = sandbox.run(["sh", "-c", "nice; ps -o pgid= -p $$ || cut -d' ' -f5 /proc/$$/stat"], timeout_s=5).stdout
    niceness, group = shown.split()
    assert int(niceness) >= 10
    assert int(group) == os.getpgrp()


def test_a_program_that_takes_too_long_is_killed():
    began = time.monotonic()
    with pytest.raises(MediaTimeout, match=r"sleep did not finish within 0\.2 s"):
        sandbox.run(["sleep", "30"], timeout_s=0.2)
    assert time.monotonic() - began < 5


def test_a_failure_carries_the_last_lines_for_the_log_only():
    with pytest.raises(MediaError) as caught:
        sandbox.run(["sh", "-c", "echo secret path >&2; exit 3"], timeout_s=5)
    assert caught.value.message == "sh failed with status 3."
    assert "secret path" in caught.value.detail


def test_a_missing_program_names_itself_and_how_to_install_it(monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(
        ProgramMissing, match=r"ffmpeg is not installed.*apt-get install ffmpeg.*brew install ffmpeg-full`"
    ):
        sandbox.run(["ffmpeg", "-version"], timeout_s=5)


def test_more_output_than_allowed_ends_the_program():
    with pytest.raises(MediaError, match="wrote more than 1 MiB"):
        sandbox.run(["yes"], timeout_s=20, max_stdout=1024 * 1024)


def test_memory_is_limited():
    grow = "import sys; b = bytearray(400 * 1024 * 1024)"
    with pytest.raises(MediaError) as caught:
        sandbox.run([sandbox.sys.executable, "-S", "-c", grow], timeout_s=20, memory_mb=200)
    assert "MemoryError" in caught.value.detail


def test_end_all_ends_a_running_program_and_its_waiter_is_told():
    caught: list[MediaError] = []

    def wait() -> None:
        try:
            sandbox.run(["sh", "-c", "echo ready; exec sleep 30"], timeout_s=60)
        except MediaError as error:
            caught.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    while waiter.is_alive():
        sandbox.end_all()
        waiter.join(0.05)
    assert isinstance(caught[0], Stopped)


@pytest.mark.parametrize("kill", ["KILL", "TERM", "INT"])
def test_a_program_killed_from_outside_is_told_from_one_that_failed(kill):
    with pytest.raises(Stopped):
        sandbox.run(["sh", "-c", f"kill -{kill} $$; sleep 30"], timeout_s=20)


@pytest.mark.ffmpeg
def test_an_interrupted_ffmpeg_is_told_from_a_damaged_file(tmp_path):
    endless = f"ffmpeg -nostdin -loglevel info -f lavfi -i nullsrc -f null - 2> {tmp_path}/said &"
    until_it_runs = f"until grep -q 'Output #0' {tmp_path}/said; do sleep 0.05; done"
    with pytest.raises(MediaError) as caught:
        sandbox.run(["sh", "-c", f"{endless} {until_it_runs}; kill -TERM $!; wait $!"], timeout_s=20)
    assert f"status {FFMPEG_INTERRUPTED}" in caught.value.message


def test_a_pipe_feeds_a_program_until_the_block_ends(tmp_path: Path):
    out = tmp_path / "copy"
    with sandbox.pipe(["dd", f"of={out}", "bs=64k"], timeout_s=10) as writer:
        for _ in range(10):
            writer.write(b"frame" * 1000)
    assert out.read_bytes() == b"frame" * 10_000


def test_a_pipe_to_a_program_that_fails_raises():
    with pytest.raises(MediaError), sandbox.pipe(["sh", "-c", "exit 4"], timeout_s=10) as writer:
        while True:
            writer.write(b"x" * 100_000)


def test_a_pipe_is_killed_when_the_feeder_gives_up():
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError), sandbox.pipe(["sleep", "30"], timeout_s=60):
        raise ZeroDivisionError
    assert time.monotonic() - began < 5


def test_python_in_a_child_that_answers_nothing_readable_raises():
    with pytest.raises(MediaError, match="gave no readable answer"):
        sandbox.run_python("this", {}, timeout_s=20)


def test_python_in_a_child_answers_with_json():
    assert sandbox.run_python("json.tool", {"a": [1, 2]}, timeout_s=20) == {"a": [1, 2]}


def test_a_sentence_from_python_in_a_child_is_raised():
    with pytest.raises(MediaError, match="The picture is too large"):
        sandbox.run_python("json.tool", {"error": "The picture is too large."}, timeout_s=20)
