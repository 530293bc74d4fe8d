"""The real engine in processes of its own, each run in a folder and on a database that are new."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import services

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 900.0
GLANCES = 32  # at once: files are only glanced at here, so no core is needed for it
THREADS = 96  # places for calls: more than any quota here lets in at once


class Installation:
    """A data folder and a database with the tables in it."""

    def __init__(self, data: Path, url: str, threads: int) -> None:
        self.data = data
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VIDBATCH_")}
        self.environment = {
            **kept,
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "VIDBATCH_DATA": str(data),
            "VIDBATCH_STATIC": str(data / "static"),
            "VIDBATCH_CALL_THREADS": str(threads),
            "VIDBATCH_MEDIA_PLACES": str(GLANCES),
            **({"VIDBATCH_DATABASE_URL": url} if url else {}),
        }

    def start(self, what: str, spec: dict[str, Any]) -> subprocess.Popen[str]:
        """A module beside this one with its words, e.g. "child run"."""
        given = self.data / "spec.json"
        given.write_text(json.dumps({"limit_s": LIMIT_S, **spec}))
        module, *words = what.split()
        return subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.harness.{module}", *words, str(given)],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def child(self, what: str, spec: dict[str, Any]) -> dict[str, Any]:
        return answer_of(self.start(what, spec))


def answer_of(process: subprocess.Popen[str], limit_s: float = LIMIT_S + 60) -> dict[str, Any]:
    said, _ = process.communicate(timeout=limit_s)
    if process.returncode:
        raise RuntimeError(f"A process of the benchmark ended with {process.returncode}; its reason is above.")
    return dict(json.loads(said.splitlines()[-1]))


@contextmanager
def installation(database: str = "sqlite", *, threads: int = THREADS) -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="vidbatch-bench-") as folder:
        if database == "sqlite":
            shutil.copytree(_migrated(), folder, dirs_exist_ok=True)
            yield Installation(Path(folder), "", threads)
            return
        with services.postgres() as url:
            made = Installation(Path(folder), url, threads)
            made.child("child migrate", {})
            yield made


def _migrated() -> Path:
    """A folder with an empty SQLite database, to be copied; removed with this process."""
    with _one_migrates:
        if not _kept:
            folder = tempfile.TemporaryDirectory(prefix="vidbatch-bench-")
            made = Installation(Path(folder.name), "", THREADS)
            made.child("child migrate", {})
            shutil.rmtree(made.data / "locks", ignore_errors=True)  # the identity of a data folder is not inherited
            _kept.append(folder)
        return Path(_kept[0].name)


_kept: list[tempfile.TemporaryDirectory[str]] = []
_one_migrates = threading.Lock()


def run(spec: dict[str, Any], *, threads: int = THREADS) -> dict[str, Any]:
    """One process that prepares and drives, on SQLite."""
    with installation(threads=threads) as made:
        return made.child("child run", spec)
