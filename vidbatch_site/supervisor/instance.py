"""One supervisor per role and data folder; what it writes down for its successor: process groups and the address."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from jobs.engine import worker

from .identity import started

log = logging.getLogger(__name__)
PATIENCE_S = 1.0  # somebody may be looking whether the lock is free
GROUP_DEATH_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A child that was started: enough to end it, and only it, later."""

    group: int = 0
    started: str = ""
    url: str = ""


def record_of(group: int, *, url: str = "") -> Record:
    return Record(group=group, started=started(group), url=url)


def lock_name(role: str) -> str:
    return f"instance-{role}"


def claim(role: str) -> bool:
    """False when a living supervisor has this role in this data folder."""
    return worker.hold(lock_name(role), patience_s=PATIENCE_S)


def is_running(role: str) -> bool:
    return not worker.is_dead(lock_name(role))


def record_path(role: str) -> Path:
    return Path(settings.DATA_DIR) / "run" / f"{role}.json"


def write(role: str, record: Record) -> None:
    """A full disk is endured: the record only helps the next start to end what we leave behind."""
    path = record_path(role)
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(exist_ok=True)
        draft.write_text(json.dumps(asdict(record)))
        draft.replace(path)
    except OSError as error:
        log.warning("%s: its process cannot be noted down: %s", role, error)


def read(role: str) -> Record:
    try:
        return Record(**json.loads(record_path(role).read_text()))
    except (OSError, ValueError, TypeError):
        return Record()


def forget(role: str) -> None:
    record_path(role).unlink(missing_ok=True)


def end_leftovers(role: str) -> bool:
    """Ends the group of a supervisor that died, if it is still there and certainly that one."""
    record = read(role)
    forget(role)
    if not record.group or not record.started or started(record.group) != record.started:
        return False
    end_group(record.group)
    return True


def end_group(group: int) -> None:
    """Ends every process of the group at once, and waits a moment until it is gone."""
    deadline = time.monotonic() + GROUP_DEATH_S
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        while time.monotonic() < deadline:
            os.killpg(group, signal.SIGKILL)
            if not started(group) and not _has_living(group):
                return
            time.sleep(0.02)


def _has_living(group: int) -> bool:
    """Zombies that nobody has collected yet are not alive. Without /proc the signal itself is the proof."""
    proc = Path("/proc")
    if not (proc / "self").exists():
        return True
    return any(_group_of(path) == group for path in proc.iterdir() if path.name.isdigit())


def _group_of(path: Path) -> int:
    try:
        fields = (path / "stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[2])
