"""`manage.py start` from outside: real processes, real signals."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time

import psutil
import pytest

from tests.supervisor.installation import ROOT, SLACK, Installation, kill

pytestmark = [pytest.mark.slow, pytest.mark.ffmpeg]
AT_WORK = "select count(*) from jobs_step where state in ('claimed', 'checking')"


def wait_for_work(installation: Installation) -> None:
    installation.launch()
    installation.wait_until(lambda: installation.one(AT_WORK), within_s=15, what="work")
    installation.wait_until(
        lambda: any(
            p.name() in ("ffmpeg", "espeak-ng") or "draw" in " ".join(p.cmdline()) for p in alive(installation)
        ),
        within_s=15,
        what="a program at work",
    )


def alive(installation: Installation) -> list[psutil.Process]:
    found = []
    for process in installation.tree():
        try:
            process.cmdline()
            found.append(process)
        except psutil.Error:
            continue
    return found


def is_a_program(process: psutil.Process) -> bool:
    """What the studio runs: a drawing, a voice, a film."""
    try:
        words = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return any(word in words for word in ("ffmpeg", "espeak-ng", "studio.draw", "studio.move"))


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_the_first_start_prints_passwords_once_and_keeps_them_nowhere(prepared, installation):
    said = prepared.with_name("data.out").read_text()
    passwords = dict(re.findall(r"^ {4}(admin|producer|reviewer) +(\S+)$", said, re.M))
    assert len(passwords) == 3
    checked = installation.manage(
        "shell",
        "-v",
        "0",
        "-c",
        "from django.contrib.auth import authenticate\n"
        f"for name, password in {passwords!r}.items():\n"
        "    user = authenticate(username=name, password=password)\n"
        "    print(user.username, user.is_superuser, *user.groups.values_list('name', flat=True))",
    )
    assert checked.stdout.split("\n")[:3] == ["admin True admin", "producer False producer", "reviewer False reviewer"]
    contents = [path.read_bytes() for path in installation.folder.rglob("*") if path.is_file()]
    assert not [p for p in passwords.values() if any(p.encode() in content for content in contents)]


def test_the_first_start_makes_a_sample_project_with_members_and_pictures(installation):
    assert installation.rows("select slug, is_sample from jobs_project") == [("sample", 1)]
    assert installation.one("select count(*) from jobs_membership") == 3
    names = [name for (name,) in installation.rows("select name from jobs_stylereference")]
    assert len(names) == 3
    assert all((installation.folder / "media" / name).stat().st_size > 10_000 for name in names)


def test_a_second_start_in_the_same_folder_names_the_address_of_the_first_and_changes_nothing(installation):
    installation.start()
    before = {process.pid for process in alive(installation)}  # clusters may still be growing
    leaders = {process.pid for process in psutil.Process(installation.process.pid).children()}
    second = installation.manage("start")
    assert (second.returncode, second.stderr) == (0, "")
    assert f"already running: http://127.0.0.1:{installation.port}/" in second.stdout
    assert before <= {process.pid for process in alive(installation)}
    assert {process.pid for process in psutil.Process(installation.process.pid).children()} == leaders


def test_the_next_port_is_taken_when_the_wanted_one_is_in_use(installation):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()
        installation.start()
    port = int(re.search(r"running: http://127.0.0.1:(\d+)/", installation.said)[1])
    assert installation.port < port < installation.port + 50
    listening = {c.laddr for p in alive(installation) for c in p.net_connections() if c.status == psutil.CONN_LISTEN}
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_one_signal_with_the_studio_at_work_ends_everything_in_ten_seconds_and_puts_steps_back(installation):
    installation.start()
    wait_for_work(installation)
    processes = alive(installation)
    began = time.monotonic()
    installation.signal(signal.SIGINT)
    assert installation.wait(within_s=10 * SLACK) == 0, installation.account()
    assert time.monotonic() - began < 10 * SLACK
    assert [p for p in processes if not is_gone(p)] == []
    assert installation.others() == []
    states = dict(installation.rows("select state, count(*) from jobs_step where owner is not null group by state"))
    assert states == {}
    assert installation.rows("select id from jobs_step where state = 'claimed' or crash_count > 0") == []
    assert installation.one("select count(*) from jobs_step where state in ('ready', 'checking')") > 0
    assert installation.rows("select id from jobs_attempt where outcome = 'none'") == []


def test_work_that_was_put_back_is_finished_after_the_next_start(installation):
    installation.start()
    wait_for_work(installation)
    installation.signal(signal.SIGTERM)
    assert installation.wait(within_s=10 * SLACK) == 0
    installation.start()
    installation.wait_until(installation.are_all_done, within_s=90, what="the end")


def test_a_shell_that_had_sigint_ignored_can_still_end_it(installation):
    installation.start(prefix=("sh", "-c", "trap '' INT; exec \"$@\"", "sh"))
    installation.signal(signal.SIGINT)
    assert installation.wait(within_s=10 * SLACK) == 0


def test_under_nohup_a_hangup_is_no_reason_to_end(installation):
    installation.start(prefix=("sh", "-c", "trap '' HUP; exec \"$@\"", "sh"))
    installation.signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        installation.wait(within_s=2)


def test_a_second_signal_does_not_wait_for_anything(installation):
    installation.start()
    wait_for_work(installation)
    for process in installation.of_role("generation"):
        process.suspend()  # nothing in it can answer now
    installation.signal()
    installation.wait_until(lambda: "Stopping" in installation.said, within_s=5, what="the first answer")
    began = time.monotonic()
    installation.signal()
    assert installation.wait(within_s=5 * SLACK) == 1
    assert time.monotonic() - began < 4 * SLACK
    assert installation.others() == []


def test_children_end_with_the_supervisor_however_it_dies(installation):
    installation.start()
    wait_for_work(installation)
    processes = alive(installation)
    kill(psutil.Process(installation.process.pid))
    installation.wait_until(lambda: all(map(is_gone, processes)), within_s=2, what="the end of all children")


@pytest.mark.parametrize("role", ["web", "generation", "media"])
def test_a_child_that_died_is_replaced_and_its_group_goes_with_it(installation, role):
    installation.start()
    old = installation.of_role(role)
    kill(old[0])
    installation.wait_until(lambda: all(map(is_gone, old)), within_s=3, what="the end of the old group")
    installation.wait_until(lambda: installation.of_role(role), within_s=10, what="a new one")
    assert f"{role} ended with status -9" in installation.said


def test_no_child_inherits_a_lock(installation):
    installation.start()
    wait_for_work(installation)
    held = {}
    for process in [psutil.Process(installation.process.pid), *alive(installation)]:
        for file in process.open_files():
            if "/locks/" in file.path and "instance-" in file.path:
                held.setdefault(file.path.rpartition("/")[2], []).append(process.pid)
    assert held == {f"instance-{role}.lock": [installation.process.pid] for role in ("web", "generation", "media")}


def test_a_missing_ffmpeg_is_a_sentence_with_the_remedy(installation, tmp_path):
    (tmp_path / "bin").mkdir()
    installation.environment["PATH"] = str(tmp_path / "bin")
    refused = installation.manage("start")
    assert refused.returncode == 1
    assert "ffmpeg is not installed. Install it with `sudo apt-get install ffmpeg`" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_of_a_newer_version_is_left_alone(installation):
    installation.rows("insert into django_migrations (app, name, applied) values ('jobs', '9999_later', '2030-01-01')")
    refused = installation.manage("start")
    assert refused.returncode == 1
    assert "newer version of vidbatch (it has jobs.9999_later)" in refused.stderr


def test_static_files_are_collected_at_the_first_start_and_then_only_when_something_changed(prepared, installation):
    assert "Collected the static files" in prepared.with_name("data.out").read_text()
    installation.start()
    assert "Collected the static files" not in installation.said


def test_the_command_line_finishes_a_batch_and_says_where_the_files_are(installation):
    installation.start()
    topics = installation.folder / "one.csv"
    topics.write_text("topic,seconds,scenes\nWhy bread rises,5,1\n")
    made = installation.manage("batch", str(topics), "--project", "sample", "--wait", timeout_s=90)
    assert made.returncode == 0, made.stderr
    assert "1/1 videos" in made.stdout
    path = re.search(r"Finished +\d+ +(\S+\.mp4)$", made.stdout, re.M)[1]
    probed = subprocess.run(["ffprobe", "-v", "error", path], cwd=ROOT, capture_output=True)
    assert (probed.returncode, probed.stderr) == (0, b"")


def test_drives_follow_one_another_and_never_pile_up(installation):
    installation.environment["VIDBATCH_DRIVE_SLICE_S"] = "5"
    installation.start()
    installation.launch()
    installation.wait_until(
        lambda: installation.one("select min(n) from (select count(*) n from jobs_worker group by role)") >= 4,
        within_s=40,
        what="the fourth drive of each role",
    )
    at_once = "select count(*) from jobs_worker where ended_at is null and not draining group by role"
    assert {count for (count,) in installation.rows(at_once)} <= {1}
    assert installation.rows("select text from jobs_notice") == []
    installation.wait_until(installation.are_all_done, within_s=60, what="the end")
    assert installation.rows("select id from jobs_step where crash_count > 0") == []
    pids = [pid for (pid,) in installation.rows("select pid from jobs_worker")]
    assert len(pids) == len(set(pids)), "two slices in one process: its memory would grow without an end"


def test_parts_are_started_and_stopped_apart(installation, tmp_path):
    media = Installation(installation.folder)
    media.output = tmp_path / "media.out"
    installation.start("--only", "generation", wait=False)
    media.start("--only", "media", wait=False)
    try:
        for role in ("generation", "media"):
            alive_now = f"select count(*) from jobs_worker where role = '{role}' and ended_at is null"
            installation.wait_until(lambda sql=alive_now: installation.one(sql) == 1, within_s=20, what=role)
        assert "already running" in media.manage("start").stdout
        media.signal()
        assert media.wait(within_s=10 * SLACK) == 0
        assert installation.one("select count(*) from jobs_worker where role = 'generation' and ended_at is null") == 1
    finally:
        media.process.kill()
        media.process.wait()
