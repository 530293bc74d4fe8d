"""A vidbatch of its own for a test: own folder, own port, the real commands, the real settings, SQLite."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests import services

ROOT = Path(__file__).resolve().parents[2]
SLACK = max(1.0, min(4.0, os.getloadavg()[0] / (os.cpu_count() or 1)))  # a busy machine takes longer
SMALL = """
from jobs.models import Project
from providers.models import Price
# Nothing here costs money, so a price is set: the ledger then has something to be right about.
Price.objects.update(micro=1_000)
Project.objects.filter(slug="sample").update(defaults={"scenes": 1, "seconds": 5, "short_side": 240})
"""
TOPICS = "topic,seconds,scenes\nWhy bread rises,5,1\nHow bees find home,5,2\n"


class Installation:
    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        self.folder, self.port = folder, port or services.free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.output = folder.with_name(f"{folder.name}.out")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VIDBATCH_")}
        self.environment = {
            **kept,
            "DJANGO_SETTINGS_MODULE": "vidbatch_site.settings",
            "VIDBATCH_DATA": str(folder),
            "VIDBATCH_STATIC": str(folder.with_name("static")),
            "VIDBATCH_PORT": str(self.port),
            "VIDBATCH_MIN_FREE_MB": "100",
        }

    # -- commands --------------------------------------------------------------------------------

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *arguments]

    def manage(self, *arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s * SLACK,
        )

    def start(self, *arguments: str, prefix: tuple[str, ...] = (), wait: bool = True) -> float:
        """The seconds until the first page answered."""
        began = time.monotonic()
        self.output.unlink(missing_ok=True)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*prefix, *self.command("start", *arguments)],
                env=self.environment,
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )
        if wait:
            self.wait_until(lambda: "vidbatch is running" in self.said, within_s=60, what="the first page")
        return time.monotonic() - began

    @property
    def said(self) -> str:
        return self.output.read_text() if self.output.exists() else ""

    def signal(self, number: int = signal.SIGINT) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, *, within_s: float) -> int:
        assert self.process is not None
        return self.process.wait(within_s)

    def end(self) -> None:
        """Whatever is left, for certain."""
        if self.process is not None:
            for process in [*self.tree(), psutil.Process(self.process.pid)] if self.process.poll() is None else []:
                kill(process)
            self.process.wait()
        for process in self.others():
            kill(process)

    def wait_until(self, holds, *, within_s: float, what: str) -> None:
        deadline = time.monotonic() + within_s * SLACK
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come within {within_s * SLACK:.0f} s.\n{self.account()}")
            time.sleep(0.1)

    def account(self) -> str:
        logs = [f"--- {path.name}\n{path.read_text()[-4000:]}" for path in sorted(self.folder.glob("logs/*.log"))]
        return "\n".join([self.said, *logs])

    # -- processes -------------------------------------------------------------------------------

    def tree(self) -> list[psutil.Process]:
        """All below the supervisor."""
        if self.process is None or self.process.poll() is not None:
            return []
        return psutil.Process(self.process.pid).children(recursive=True)

    def others(self) -> list[psutil.Process]:
        """Every Python process of ours, whoever its parent is by now."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                    continue
                if process.environ().get("VIDBATCH_DATA") == str(self.folder):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def of_role(self, role: str) -> list[psutil.Process]:
        """The processes of one role, the first one first."""
        leaders = [p for p in psutil.Process(self.process.pid).children() if _plays(p, role)]
        return [q for leader in leaders for q in [leader, *leader.children(recursive=True)]]

    # -- rows ------------------------------------------------------------------------------------

    def rows(self, sql: str, *values: object) -> list[tuple]:
        with sqlite3.connect(self.folder / "vidbatch.sqlite3", timeout=20) as connection:
            return connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object):
        return self.rows(sql, *values)[0][0]

    def launch(self) -> None:
        topics = self.folder / "small.csv"
        topics.write_text(TOPICS)
        made = self.manage("batch", str(topics), "--project", "sample")
        assert made.returncode == 0, made.stderr

    def are_all_done(self) -> bool:
        states = {state for (state,) in self.rows("select state from jobs_video")}
        assert "attention" not in states, self.rows("select state_note from jobs_video where state = 'attention'")
        return states == {"done"}


def _plays(process: psutil.Process, role: str) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return "gunicorn" in words if role == "web" else "cluster" in words and role in words


def kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def prepare(folder: Path) -> Path:
    """A data folder after its first start, to be copied."""
    installation = Installation(folder / "data")
    installation.folder.mkdir(parents=True)
    try:
        installation.start()
        installation.signal()
        assert installation.wait(within_s=30 * SLACK) == 0, installation.account()
    finally:
        installation.end()
    small = installation.manage("shell", "-v", "0", "-c", SMALL)
    assert small.returncode == 0, small.stderr
    return installation.folder


def copy_of(prepared: Path, folder: Path) -> Installation:
    shutil.copytree(prepared, folder)
    installation = Installation(folder)
    installation.environment["VIDBATCH_STATIC"] = str(prepared.with_name("static"))
    return installation
