"""At a start: what killed processes left in the data folder more than a day ago."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from django.conf import settings

from jobs.engine import worker
from providers import downloads

DAY_S = 24 * 3600
SHARED = ("instance-", "driving-")  # their files stay: a lock on a file that was removed excludes nobody


def tidy() -> None:
    oldest = time.time() - DAY_S
    downloads.sweep_temp(Path(settings.MEDIA_ROOT))
    for folder in Path(settings.WORK_ROOT).iterdir():
        if _is_older(folder, oldest):
            shutil.rmtree(folder, ignore_errors=True)
    for path in Path(settings.LOCK_ROOT).glob("*.lock"):
        if not path.name.startswith(SHARED) and _is_older(path, oldest) and worker.is_dead(path.stem):
            path.unlink(missing_ok=True)


def _is_older(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime < moment
    except FileNotFoundError:
        return False
