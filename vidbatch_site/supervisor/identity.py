"""Which process a number means: a pid is used again, a pid with its start time is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

PROC = Path("/proc/self/stat")


def started(pid: int) -> str:
    """When the process began, as a text to compare; "" when there is none."""
    if PROC.exists():
        return _by_proc(pid)
    return _by_ps(pid)


def _by_proc(pid: int) -> str:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
    state, ticks = after_name[0], after_name[19]
    return "" if state in "ZX" else f"{boot} {ticks}"


def _by_ps(pid: int) -> str:
    listed = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, moment = listed.stdout.strip().partition(" ")
    return "" if not state or state.startswith("Z") else moment.strip()
