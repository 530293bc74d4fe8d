"""A simulator process for one run, and what its books say of the client. Only the books know what was refused."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.simulator.process import Simulator, simulator

REFUSED = "429 "  # how verdicts begin that were caused by asking too soon or too much
SUBMITS = "POST"


@contextmanager
def vendor(name: str, *, seed: int = 1, scale: float = 1.0, **behaviour: Any) -> Iterator[Simulator]:
    """A simulator whose vendor `name` behaves so. With a scale of 1, its seconds are real ones.

    Files are tiny: a picture that is drawn takes the core that the client needs.
    """
    with (
        tempfile.TemporaryDirectory(prefix="vidbatch-bench-") as folder,
        simulator(Path(folder) / "books.sqlite", scale=scale, seed=seed) as running,
    ):
        running.control(name, **{"media": "tiny", **behaviour})
        yield running


def told(running: Simulator, name: str) -> dict[str, Any]:
    """What one vendor saw of its only client: requests, refusals, polls, and the durations of jobs in order."""
    books, summary = running.books(name), running.summary(name)
    submits = [request for request in books["requests"] if request["method"] == SUBMITS]
    first_at = submits[0]["at"] if submits else 0.0
    taken = [request for request in submits if request["verdict"] == "accepted"]
    counted = [json.loads(request["counts"]) for request in taken]
    return {
        "requests": len(submits),
        "refusals": sum(request["verdict"].startswith(REFUSED) for request in books["requests"]),
        "refused_at_s": [
            round(request["at"] - first_at, 2) for request in submits if request["verdict"].startswith(REFUSED)
        ],
        "polls": sum(request["method"] == "GET" and "files" not in request["path"] for request in books["requests"]),
        "first_at": first_at,
        "at_s": [request["at"] - first_at for request in taken],
        "durations_s": [job["done_at"] - job["starts_at"] for job in summary["jobs"] if job["done_at"]],
        "waited_at_vendor": sum(job["starts_at"] > job["accepted_at"] for job in summary["jobs"]),
        "seen_after_s": [job["seen_at"] - job["done_at"] for job in summary["jobs"] if job["seen_at"]],
        "job_polls": sum(job["polls"] for job in summary["jobs"]),
        "places_used": summary["places_used"],
        "most_at_once": summary["high_water"],
        **{name: [int(counts.get(name, 0)) for counts in counted] for name in ("tokens", "characters")},
        "windows": [
            {name: window[name] for name in ("unit", "per_s", "policy", "allowed", "most", "utilisation")}
            for window in summary["windows"]
        ],
    }
