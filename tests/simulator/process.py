"""The simulator from a test's side: start it, steer it, read its books, kill it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.services import free_port

ROOT = Path(__file__).resolve().parents[2]


class Simulator:
    """Ends with the process that started it, however that dies."""

    def __init__(self, books: Path, *, scale: float = 60.0, seed: int = 1, port: int = 0) -> None:
        self.path, self.scale, self.seed = books, scale, seed
        self.http = requests.Session()
        self.http.trust_env = False
        self.port = port or free_port()
        self.start()

    def start(self) -> None:
        """Also after `kill`: on the same port, with the same books."""
        options = ["--port", str(self.port), "--books", str(self.path), "--scale", str(self.scale)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.simulator", *options, "--seed", str(self.seed), "--until-stdin-closes"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        said = json.loads(self._process.stdout.readline())
        self.url, self.pid = str(said["url"]), int(said["pid"])
        self.port = urlsplit(self.url).port or 0

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def control(self, vendor: str, **order: Any) -> dict[str, Any]:
        answer = self.http.post(f"{self.url}/control", json={"vendor": vendor, **order}, timeout=10)
        if not answer.ok:
            raise ValueError(answer.json()["error"])
        return dict(answer.json())

    def books(self, vendor: str = "") -> dict[str, Any]:
        return dict(self.http.get(f"{self.url}/books", params={"vendor": vendor}, timeout=30).json())

    def summary(self, vendor: str) -> dict[str, Any]:
        """Figures of a run: refusals, windows, utilisation, and the life of each job."""
        return dict(self.http.get(f"{self.url}/summary", params={"vendor": vendor}, timeout=30).json())

    def bills(self, vendor: str = "") -> dict[str, list[dict[str, Any]]]:
        """What was accepted, by our tag."""
        by_tag: dict[str, list[dict[str, Any]]] = {}
        for bill in self.books(vendor)["bills"]:
            by_tag.setdefault(bill["tag"], []).append(bill)
        return by_tag


@contextmanager
def simulator(books: Path, *, scale: float = 60.0, seed: int = 1) -> Iterator[Simulator]:
    running = Simulator(books, scale=scale, seed=seed)
    try:
        yield running
    finally:
        running.http.close()
        running.kill()
