"""The whole road of a batch through five simulated vendors, one a stage: script, voiceover, image, clip, render.

Each vendor has a name, a lane, and limits of its own, so that the books say of each what was kept and what was used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.simulator.process import Simulator, simulator

from .engine import Installation, answer_of
from .measure import wait_until

ROLES = ("generation", "media")
Told = dict[str, Any]


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

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Batch:
    videos: int
    scenes: int
    settings: Mapping[str, Any] = field(default_factory=dict)  # beside its scenes


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


def run(
    made: Installation, road: Road, batches: Sequence[Batch], running: Simulator, begin_at: float = 0.0
) -> list[Told]:
    """Both drives, each a process of its own, and the batches one after the other; what became of each."""
    spec = {"simulator": running.url, "road": road.as_json(), "batches": [asdict(batch) for batch in batches]}
    made.child("batch prepare", spec)
    drives = [made.start(f"batch {role}", spec) for role in ROLES]
    try:
        for drive in drives:
            assert drive.stdout and drive.stdout.readline() == "ready\n"
        wait_until(begin_at)
        told: list[Told] = made.child("batch launch", spec)["batches"]
        for role in ROLES:
            (made.data / f"stop-{role}").touch()
        for role, drive in zip(ROLES, drives, strict=True):
            told[-1][f"cpu_s_{role}"] = answer_of(drive)["cpu_s"]
    finally:
        for drive in drives:
            drive.kill()
    return told
