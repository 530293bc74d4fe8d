"""python -m benchmarks.harness.batch launch|generation|media|told SPEC: the engine's side of a whole batch.

`launch` makes the rows and the batch, the two roles drive from a line on their input until no video is under way,
`told` says how it went. Files are looked at, but not judged: what a check costs is another question.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import django

from .roads import Lane, Road

LOOK_EVERY_S = 0.5
LOOKS = {"image": (1280, 720), "clip": (1280, 720), "render": (1280, 720)}


def main(what: str, spec: dict[str, Any]) -> dict[str, Any]:
    django.setup()
    lanes = tuple(Lane(**lane) for lane in spec["road"]["lanes"])
    road = Road(**{**spec["road"], "lanes": lanes})
    _register(road, spec["simulator"])
    if what == "launch":
        return _launch(road)
    return _told() if what == "told" else _drive(what, spec["limit_s"])


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


def _launch(road: Road) -> dict[str, Any]:
    from benchmarks.harness import rows
    from jobs.launch import create_batch
    from jobs.settings_types import BatchSettings, TopicRow
    from providers.models import Provider

    for lane in road.lanes if not Provider.objects.exists() else ():
        rows.a_vendor(lane.slug, lane.stage, quotas=lane.quotas, max_in_flight=lane.places or None)
    settings = BatchSettings(scenes=road.scenes, seconds=road.scenes * road.seconds_a_scene, **road.settings)
    topics = [TopicRow(topic=f"Topic {n}") for n in range(1, road.videos + 1)]
    batch = create_batch(rows.a_project(), name="Bench", topics=topics, settings=settings, by=None)
    return {"batch": batch.pk}


def _drive(role: str, limit_s: float) -> dict[str, Any]:
    from jobs.engine import checking
    from jobs.engine.drive import Drive
    from jobs.models import Video

    checking.examine = _glance

    class UntilOver(Drive):
        looked = 0.0

        def _is_over(self) -> bool:
            if time.monotonic() - self.looked > LOOK_EVERY_S:
                self.looked = time.monotonic()
                if not Video.objects.filter(state__in=("waiting", "running")).exists():
                    self.ends_at = 0.0
            return super()._is_over()

    print("ready", flush=True)
    sys.stdin.readline()
    began, cpu = time.time(), time.process_time()
    _keep(role, began)
    UntilOver(role, slice_s=limit_s).run()
    return {"cpu_s": round(time.process_time() - cpu, 2)}


def _glance(ticket: Any) -> Any:
    """Passed, as long as it sounds and as large as it should be."""
    import wave

    from jobs.engine.checking import Checked
    from qc.types import Examined, Result, Status

    seconds = 0.5
    if ticket.kind == "voiceover":
        with wave.open(str(ticket.path)) as sound:
            seconds = sound.getnframes() / sound.getframerate()
    width, height = LOOKS.get(ticket.kind, (0, 0))
    result = Result(name="glance", status=Status.PASSED, measured="", threshold="", sentence="It is there.")
    examined = Examined(
        file_hash=ticket.path.stem,
        kind=ticket.kind,
        facts={},
        results=(result,),
        passed=True,
        expectations_hash=ticket.expected.hash(),
        duration_s=seconds,
        width=width,
        height=height,
    )
    return Checked(ticket=ticket, examined=examined)


def _keep(role: str, began: float) -> None:
    from django.conf import settings

    Path(settings.DATA_DIR, f"began-{role}").write_text(str(began))


def _told() -> dict[str, Any]:
    """Seconds from the first drive's start: the batch, its first video, the states in which videos ended."""
    from collections import Counter

    from django.conf import settings

    from jobs.models import Attempt, Batch, Step

    began = min(float(path.read_text()) for path in Path(settings.DATA_DIR).glob("began-*"))
    batch = Batch.objects.order_by("-pk")[0]
    ends = sorted(at.timestamp() - began for at in batch.videos.values_list("finished_at", flat=True) if at)
    return {
        "all_s": round(ends[-1], 3) if ends else None,
        "first_s": round(ends[0], 3) if ends else None,
        "states": dict(Counter(batch.videos.values_list("state", flat=True))),
        "steps": Step.objects.filter(batch=batch).count(),
        "attempts": Attempt.objects.filter(step__batch=batch).count(),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))))
