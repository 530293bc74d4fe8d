"""The whole road of a batch through five simulated vendors, one a stage: script, voiceover, image, clip, render.

Each vendor has a name, a lane, and limits of its own, so that the books say of each what was kept and what was used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.simulator.process import Simulator, simulator

from .engine import Installation, answer_of
from .measure import wait_until


@dataclass(frozen=True, kw_only=True)
class Lane:
    """`places`: at once, the vendor refuses more. `amount` in a window of `window_s`: 0 = as many as one likes."""

    stage: str
    latency_s: tuple[float, float]
    places: int = 0
    amount: int = 0
    window_s: float = 6.0
    jobs: bool = False  # submit and poll; else it answers at once

    @property
    def slug(self) -> str:
        return f"sim_{self.stage}"

    @property
    def quotas(self) -> list[dict[str, Any]]:
        return [{"unit": "requests", "amount": self.amount, "window_s": self.window_s}] if self.amount else []

    @property
    def limits(self) -> list[dict[str, Any]]:
        return [{"requests": self.amount, "per_s": self.window_s}] if self.amount else []


@dataclass(frozen=True, kw_only=True)
class Road:
    lanes: tuple[Lane, ...]
    videos: int
    scenes: int
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the batch, beside its scenes
    seconds_a_scene: int = 2

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@contextmanager
def vendors(road: Road, *, seed: int) -> Iterator[Simulator]:
    """One process that plays all of them. Scripts are as long as asked for, other files are tiny."""
    with (
        tempfile.TemporaryDirectory(prefix="vidbatch-bench-") as folder,
        simulator(Path(folder) / "books.sqlite", scale=1.0, seed=seed) as running,
    ):
        for lane in road.lanes:
            size = "real" if lane.stage == "script" else "tiny"
            places = {"concurrency": lane.places, "limits": lane.limits}
            running.control(lane.slug, latency_s=lane.latency_s, media=size, **places)
        yield running


def run(made: Installation, road: Road, running: Simulator, begin_at: float = 0.0) -> dict[str, Any]:
    """Launches the batch, then both drives, each a process of its own; what the last video's end says."""
    spec = {"simulator": running.url, "road": road.as_json()}
    launched = made.child("batch launch", spec)
    drives = {role: made.start(f"batch {role}", spec) for role in ("generation", "media")}
    try:
        for drive in drives.values():
            assert drive.stdout and drive.stdout.readline() == "ready\n"
        wait_until(begin_at)
        for drive in drives.values():
            assert drive.stdin
            drive.stdin.write("go\n")
            drive.stdin.flush()
        cpu_s = {role: answer_of(drive)["cpu_s"] for role, drive in drives.items()}
    finally:
        for drive in drives.values():
            drive.kill()
    return {**launched, **made.child("batch told", spec), "cpu_s": cpu_s}
