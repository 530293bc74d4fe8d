"""A video as it stands when its stages were made, without running anything."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings

from jobs.advance import advance
from jobs.engine import assets
from jobs.models import Asset, Step, Video
from jobs.stages import script as script_stage
from jobs.states import State, Verdict
from tests.factories import a_batch

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SCRIPT = {
    "title": "Bread rises",
    "hook": "Why?",
    "description": "How bread rises.",
    "hashtags": ["#bread"],
    "scenes": [
        {"narration": f"Words of scene {n} are said slowly.", "visual_prompt": f"A view {n}", "seconds": 4.0}
        for n in (1, 2)
    ],
}


class Made:
    """Does what is due of a batch's videos: each step becomes a file with this verdict."""

    def __init__(self, **values) -> None:
        self.batch = a_batch(now=NOW, **values)
        self.video = Video.objects.get(batch=self.batch, position=1)

    def step(self, *, now: datetime = NOW, seconds: float = 4.0, **verdicts: str) -> None:
        """Finishes all ready steps of the first video; verdicts by stage, else passed."""
        for step in Step.objects.filter(video=self.video, state=State.READY):
            self.finish(step, Verdict(verdicts.get(step.stage, "passed")), seconds=seconds)
        advance([self.video.pk], now)
        self.video.refresh_from_db()

    def finish(self, step: Step, verdict: Verdict, *, seconds: float = 4.0) -> Asset:
        content = json.dumps(SCRIPT).encode() if step.stage == "script" else f"{step.pk}".encode()
        name = f"{step.pk}.{'json' if step.stage == 'script' else 'bin'}"
        (Path(settings.MEDIA_ROOT) / name).write_bytes(content)
        asset = Asset.objects.create(
            video_id=step.video_id,
            scene_id=step.scene_id,
            step=step,
            kind=step.stage,
            round=step.round,
            name=name,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            media_type="x/y",
            seconds=seconds,
            made_for=step.wanted,
            stands_for=step.wanted,
            verdict=verdict,
        )
        if verdict != Verdict.FAILED and assets.make_current(asset):
            asset.save()
            if step.stage == "script" and verdict == Verdict.PASSED:
                script_stage.apply(self.video, asset, NOW)
        Step.objects.filter(pk=step.pk).update(state=State.DONE, finished_at=NOW)
        return asset

    def all(self) -> Made:
        for _ in range(6):
            self.step()
        assert self.video.state == Video.State.DONE, self.video.state_note
        return self

    def due(self) -> list[tuple[str, int | None]]:
        rows = Step.objects.filter(video=self.video, state=State.READY).order_by("stage", "scene__position")
        return list(rows.values_list("stage", "scene__position"))

    def current(self, kind: str, scene: int | None = None) -> Asset:
        return Asset.objects.get(video=self.video, kind=kind, scene__position=scene, current=True)


@pytest.fixture
def made(db):
    return Made
