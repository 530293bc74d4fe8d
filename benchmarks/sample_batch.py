"""The sample batch at full size, started as a person starts it: its time, its memory, the pages meanwhile.

A look at all processes every LOOK_EVERY_S and a page every PAGE_EVERY_S, no more: they need the same cores.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.supervisor.installation import ROOT, Installation, prepare

TOPICS = ROOT / "docs" / "topics.csv"
TARGETS = {"first_s": 40, "all_s": 150, "page_p95_ms": 150, "python_mb": 450, "program_mb": 300}
BUSY_LOAD = 1.0  # before the launch: others work here, and times may take twice as long
LOOK_EVERY_S, PAGE_EVERY_S = 2.0, 1.0
FULL = """
from django.contrib.auth.models import User
from jobs.models import Project
from vidbatch_site.first_start import DEFAULTS
Project.objects.filter(slug="sample").update(defaults=DEFAULTS)
user = User.objects.get(username="producer")
user.set_password({password!r})
user.save()
"""
SECONDS = (
    "select (julianday(v.finished_at) - julianday(b.created_at)) * 86400 from jobs_video v "
    "join jobs_batch b on b.id = v.batch_id where v.finished_at is not null order by 1"
)
LAST_RENDER = (
    "select max((julianday(s.finished_at) - julianday(b.created_at)) * 86400) from jobs_step s "
    "join jobs_video v on v.id = s.video_id join jobs_batch b on b.id = v.batch_id"
)


class Memory(threading.Thread):
    """The most that all our Python processes together, and the largest other one, took (PSS)."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(daemon=True)
        self.installation, self.over = installation, threading.Event()
        self.python_mb = self.program_mb = 0.0
        self.at_peak: dict[str, float] = {}

    def run(self) -> None:
        assert self.installation.process is not None
        while not self.over.wait(LOOK_EVERY_S):
            python: dict[str, float] = {}
            for process in [psutil.Process(self.installation.process.pid), *self.installation.tree()]:
                with contextlib.suppress(psutil.Error):
                    words, pss = process.cmdline(), process.memory_full_info().pss / 2**20
                    if any("python" in word or "gunicorn" in word for word in words[:2]):
                        named = " ".join(Path(word).name for word in words[2:5])
                        python[f"{named} {process.pid}"] = pss
                    else:
                        self.program_mb = max(self.program_mb, pss)
            if sum(python.values()) > self.python_mb:
                self.python_mb, self.at_peak = sum(python.values()), python


class Visitor(threading.Thread):
    """A producer who looks at the batch, its live fragment and the review queue in turn."""

    def __init__(self, url: str, password: str) -> None:
        super().__init__(daemon=True)
        self.url, self.over, self.client = url, threading.Event(), requests.Session()
        self.client.trust_env = False
        page = self.client.get(f"{url}/login/", timeout=10)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token
        form = {"username": "producer", "password": password, "csrfmiddlewaretoken": token[1]}
        assert "login" not in self.client.post(f"{url}/login/", data=form, timeout=10).url
        self.took_ms: dict[str, list[float]] = defaultdict(list)

    def run(self) -> None:
        for path in itertools.cycle(("/batches/1/", "/batches/1/live/", "/review/")):
            if self.over.wait(PAGE_EVERY_S):
                return
            began = time.perf_counter()
            response = self.client.get(self.url + path, timeout=10)
            if response.ok:
                self.took_ms[path].append((time.perf_counter() - began) * 1000)


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="vidbatch-bench-") as folder:
        prepare(Path(folder))
        installation = Installation(Path(folder) / "data")
        password = secrets.token_urlsafe(12)
        done = installation.manage("shell", "-v", "0", "-c", FULL.format(password=password))
        assert done.returncode == 0, done.stderr
        load = round(os.getloadavg()[0], 2)
        try:
            installation.start()
            return _watch_batch(installation, password) | {
                "load_average": load,
                "load_average_after": round(os.getloadavg()[0], 2),
            }
        finally:
            installation.end()


def _watch_batch(installation: Installation, password: str) -> dict[str, Any]:
    memory = Memory(installation)
    visitor = Visitor(f"http://127.0.0.1:{installation.port}", password)
    memory.start()
    visitor.start()
    made = installation.manage("batch", str(TOPICS), "--project", "sample", "--wait", timeout_s=400)
    memory.over.set()
    visitor.over.set()
    memory.join()
    visitor.join()
    seconds = [seconds for (seconds,) in installation.rows(SECONDS)]
    assert "3 finished, 2 needs review" in made.stderr, made.stderr
    pages = {path: _p95(took) for path, took in visitor.took_ms.items()}
    return {
        "first_s": round(seconds[0], 1),
        "all_s": round(installation.one(LAST_RENDER), 1),
        "page_p95_ms": max(pages.values()),
        "pages_p95_ms": pages,
        "pages_seen": sum(map(len, visitor.took_ms.values())),
        "python_mb": round(memory.python_mb),
        "program_mb": round(memory.program_mb),
        "at_peak_mb": {name: round(mb) for name, mb in sorted(memory.at_peak.items())},
    }


def _p95(values: list[float]) -> float:
    return round(statistics.quantiles(values, n=20)[-1], 1)


if __name__ == "__main__":
    import json

    print(json.dumps(measure(), indent=1))
