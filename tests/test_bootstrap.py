"""The set-up script with programs of our own in place of the system's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "bootstrap.sh"
PROGRAMS = ("sh", "dirname", "cat", "cksum", "find", "head", "tail", "grep", "mktemp", "rm", "env", "pwd")


@pytest.fixture
def checkout(tmp_path):
    """A copy of the script beside empty lock files, and a PATH with nothing but what we put there."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/bootstrap.sh").write_text(SCRIPT.read_text())
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "requirements-dev.lock").touch()
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name in PROGRAMS:
        real = subprocess.run(["/bin/sh", "-c", f"command -v {name}"], capture_output=True, text=True).stdout.strip()
        if real.startswith("/"):
            (bin_folder / name).symlink_to(real)
    return tmp_path


def fake(checkout, name, script):
    path = checkout / "bin" / name
    path.write_text(f'#!/bin/sh\necho {name} "$@" >>{checkout}/calls\n{script}\n')
    path.chmod(0o755)


def a_python(checkout, name="python3"):
    (checkout / "bin" / name).write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (checkout / "bin" / name).chmod(0o755)


def bootstrap(checkout, purpose="run"):
    return subprocess.run(
        ["/bin/sh", "scripts/bootstrap.sh", purpose],
        cwd=checkout,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": str(checkout / "bin"), "HOME": str(checkout), "TMPDIR": str(checkout)},
        timeout=60,
    )


def calls(checkout):
    path = checkout / "calls"
    return path.read_text() if path.exists() else ""


def a_debian(checkout, *, root):
    a_python(checkout)
    fake(checkout, "uname", "echo Linux")
    fake(checkout, "id", f"echo {0 if root else 1000}")
    fake(checkout, "apt-get", "exit 9")


def test_an_ordinary_user_gets_one_line_to_copy_and_nothing_is_changed(checkout):
    a_debian(checkout, root=False)
    done = bootstrap(checkout)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith("sudo apt-get update && sudo apt-get install -y --no-install-recommends ffmpeg espeak-ng")
    assert "apt-get" not in calls(checkout)
    assert not (checkout / ".venv").exists()


def test_sudo_is_used_only_when_it_asks_for_nothing(checkout):
    a_debian(checkout, root=False)
    fake(checkout, "sudo", "exit 1")
    assert bootstrap(checkout).returncode == 1
    sudo_calls = [line for line in calls(checkout).splitlines() if line.startswith("sudo")]
    assert sudo_calls == ["sudo -n true"]


def test_sudo_without_a_password_installs(checkout):
    a_debian(checkout, root=False)
    fake(checkout, "sudo", "exit 0")
    bootstrap(checkout)
    assert "sudo -n apt-get update" in calls(checkout)
    assert "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y" in calls(checkout)


def test_root_installs_directly_and_says_when_that_fails(checkout):
    a_debian(checkout, root=True)
    done = bootstrap(checkout)
    assert done.returncode == 1
    assert "apt-get update" in calls(checkout)
    assert "apt-get could not install ffmpeg espeak-ng" in done.stderr


def test_a_machine_without_a_fitting_python_is_told_which(checkout):
    a_debian(checkout, root=True)
    fake(checkout, "python3", 'test "$1" = --version && echo Python 3.9.2 || exit 1')
    done = bootstrap(checkout)
    assert done.returncode == 1
    assert "Python 3.11, 3.12 or 3.13 is needed, and this machine has Python 3.9.2" in done.stderr
    assert "apt-get" not in calls(checkout)


def test_a_python_that_cannot_make_environments_gives_way_to_one_that_can(checkout):
    a_debian(checkout, root=False)
    bare = f'case "$*" in *ensurepip*) exit 1 ;; esac\nexec {sys.executable} "$@"'
    for name in ("python3.13", "python3.12", "python3.11"):
        fake(checkout, name, bare)
    assert "-venv" not in bootstrap(checkout).stdout


def test_macos_without_homebrew_is_told_the_line(checkout):
    a_python(checkout)
    fake(checkout, "uname", "echo Darwin")
    done = bootstrap(checkout)
    assert done.returncode == 1
    assert done.stdout.strip() == "brew install ffmpeg-full espeak-ng"
    assert not (checkout / ".venv").exists()


def test_macos_installs_with_homebrew(checkout):
    a_python(checkout)
    fake(checkout, "uname", "echo Darwin")
    fake(checkout, "brew", "exit 1")
    assert bootstrap(checkout).returncode == 1
    assert "brew install --quiet ffmpeg-full espeak-ng" in calls(checkout)


@pytest.fixture
def a_ready_machine(checkout):
    """All programs there, and a .venv whose pip notes what it is asked."""
    a_debian(checkout, root=False)
    for name in ("ffmpeg", "ffprobe", "espeak-ng", "fc-match"):
        fake(checkout, name, "")
    (checkout / ".fonts").mkdir()
    (checkout / ".fonts/DejaVuSans.ttf").touch()
    (checkout / ".venv/bin").mkdir(parents=True)
    python = checkout / ".venv/bin/python"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *"pip install"*) echo pip "$@" >>{checkout}/calls ;; *pip*) ;;\n'
        f'*) exec {sys.executable} "$@" ;; esac\n'
    )
    python.chmod(0o755)
    return checkout


def test_packages_are_installed_again_only_when_the_lock_file_changed(a_ready_machine):
    for _ in range(2):
        assert bootstrap(a_ready_machine).returncode == 0
    assert calls(a_ready_machine).count("pip install") == 1
    assert "--require-hashes -r requirements.lock" in calls(a_ready_machine)
    (a_ready_machine / "requirements.lock").write_text("changed")
    assert bootstrap(a_ready_machine).returncode == 0
    assert calls(a_ready_machine).count("pip install") == 2


def test_a_ready_machine_is_left_alone_in_silence(a_ready_machine):
    bootstrap(a_ready_machine)
    done = bootstrap(a_ready_machine)
    assert (done.stdout, done.stderr) == ("", "")
