"""python -m benchmarks.harness.batch prepare|generation|media|launch SPEC: the engine's side of whole batches.

`prepare` makes the rows of the vendors, the two roles drive until the stop flag is up, `launch` starts the batches one
after the other and says how each went. Files are looked at, but not judged: what a check costs is another question.

Models can be imported once Django is set up: hence the imports inside of functions.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import django

from .roads import Batch, Lane, Road

LOOK_EVERY_S = 0.25
SECONDS_A_SCENE = 2
LOOKS = {"image": (1280, 720), "clip": (1280, 720), "render": (1280, 720)}


def main(what: str, spec: dict[str, Any]) -> dict[str, Any]:
    django.setup()
    lanes = tuple(Lane(**lane) for lane in spec["road"]["lanes"])
    road = Road(lanes=lanes)
    _register(road, spec["simulator"])
    if what == "prepare":
        return _prepare(road)
    if what == "launch":
        return {"batches": [_launch(Batch(**batch), spec["limit_s"]) for batch in spec["batches"]]}
    return _drive(what, spec["limit_s"])


def _register(road: Road, url: str) -> None:
    """An adapter for each vendor; a render is a clip to the simulator."""
    from providers import registry
    from providers.types import Capability
    from tests import simulator_adapter as known

    known.KIND.setdefault(Capability.RENDER, "clip")
    for lane in road.lanes:
        base = known.SimJobs if lane.jobs else known.SimInstant
        names = {
            "slug": lane.slug,
            "label": f"Simulated {lane.stage}",
            "vendor": lane.slug,
            "base_url": f"{url}/{lane.slug}",
            "capabilities": frozenset({Capability(lane.stage)}),
        }
        registry.register(type(lane.slug, (base,), names))
    registry.all_adapters()  # as a cluster does before it makes its workers


def _prepare(road: Road) -> dict[str, Any]:
    from benchmarks.harness import rows

    for lane in road.lanes:
        rows.a_vendor(lane.slug, lane.stage, quotas=lane.quotas, max_in_flight=lane.places or None)
    return {}


def _drive(role: str, limit_s: float) -> dict[str, Any]:
    from jobs.engine import checking
    from jobs.engine.drive import Drive

    checking.examine = _glance
    drive = Drive(role, slice_s=limit_s)
    print("ready", flush=True)
    cpu = time.process_time()
    drive.run()
    return {"cpu_s": round(time.process_time() - cpu, 2)}


def _launch(wanted: Batch, limit_s: float) -> dict[str, Any]:
    """Launches a batch as a page does, and waits until nothing of it is under way."""
    from benchmarks.harness import rows
    from jobs.launch import create_batch
    from jobs.settings_types import BatchSettings, TopicRow

    settings = BatchSettings(scenes=wanted.scenes, seconds=wanted.scenes * SECONDS_A_SCENE, **wanted.settings)
    topics = [TopicRow(topic=f"Topic {n}") for n in range(1, wanted.videos + 1)]
    asked = time.time()
    batch = create_batch(rows.a_project(), name="Bench", topics=topics, settings=settings, by=None)
    launched, began = time.time(), batch.created_at.timestamp()
    while time.time() < began + limit_s and batch.videos.filter(state__in=("waiting", "running")).exists():
        time.sleep(LOOK_EVERY_S)
    return {"began": began, "launch_s": round(launched - asked, 3), **_told(batch, began)}


def _told(batch: Any, began: float) -> dict[str, Any]:
    """Seconds from the launch: its last video, its first; what was foreseen; the states in which videos ended."""
    from collections import Counter

    from jobs.models import Attempt, Forecast

    ends = sorted(at.timestamp() - began for at in batch.videos.values_list("finished_at", flat=True) if at)
    foreseen = Forecast.objects.filter(batch=batch).values("p10_s", "p50_s", "p90_s", "first_s").first()
    return {
        "all_s": round(ends[-1], 3) if ends else None,
        "first_s": round(ends[0], 3) if ends else None,
        "forecast": foreseen,
        "states": dict(Counter(batch.videos.values_list("state", flat=True))),
        "attempts": Attempt.objects.filter(step__batch=batch).count(),
    }


def _glance(ticket: Any) -> Any:
    """Passed, as long as it sounds and as large as it should be."""
    import wave

    from jobs.engine.checking import Checked
    from qc.types import Examined, Result, Status

    seconds, path = 0.5, ticket.takes[0].path
    if ticket.kind == "voiceover":
        with wave.open(str(path)) as sound:
            seconds = sound.getnframes() / sound.getframerate()
    width, height = LOOKS.get(ticket.kind, (0, 0))
    result = Result(name="glance", status=Status.PASSED, measured="", threshold="", sentence="It is there.")
    examined = Examined(
        file_hash=path.stem,
        kind=ticket.kind,
        facts={},
        results=(result,),
        passed=True,
        expectations_hash=ticket.expected.hash(),
        duration_s=seconds,
        width=width,
        height=height,
    )
    return Checked(ticket=ticket, examined=(examined,), took_s=(0.0,))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))))
