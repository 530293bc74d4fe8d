"""The same batch in each strategy: the same assets in the end, and on the way each keeps its order.

The studio's place is taken by an adapter that answers at once with tiny files, and what looks at files believes them.
"""

from __future__ import annotations

import hashlib
import json

import pytest

from jobs.engine import checking
from jobs.models import Asset, Attempt, Video
from jobs.settings_types import STRATEGIES, BatchSettings
from jobs.states import STAGE_NUMBER, Stage
from providers import registry
from providers.adapters.studio import Studio
from providers.adapters.this_machine import ThisMachine
from providers.types import Capability, Finished, Output
from qc.types import Examined
from tests.factories import a_batch, drive_until_idle
from tests.invariants import assert_invariants

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
TOPICS = ("Bread", "Rain", "Stars", "Salt")
PNG = b"\x89PNG\r\n\x1a\n"
WAV = b"RIFF\x24\0\0\0WAVEfmt "
MP4 = b"\0\0\0\x18ftypisom\0\0\0\0isomiso2"
HEADS = {
    Capability.IMAGE: (PNG, "image/png"),
    Capability.VOICEOVER: (WAV, "audio/wav"),
    Capability.CLIP: (MP4, "video/mp4"),
    Capability.RENDER: (MP4, "video/mp4"),
}


def _tiny(self, request):
    self.on_wire()
    if request.capability is Capability.SCRIPT:
        return Finished(outputs=(Output(content=_script(request.prompt), media_type="application/json"),))
    head, media_type = HEADS[request.capability]
    mark = repr((request.prompt, request.seed, request.seconds, [file.sha256 for file in request.inputs]))
    return Finished(outputs=(Output(content=head + hashlib.sha256(mark.encode()).digest(), media_type=media_type),))


def _script(topic):
    scenes = [
        {"narration": f"{topic} {n}.", "visual_prompt": f"{topic}, view {n}", "seconds": 4.0, "hero": False}
        for n in (1, 2)
    ]
    said = {"title": topic, "hook": "Why?", "description": topic, "hashtags": ["#a"], "scenes": scenes}
    return json.dumps(said).encode()


def _believe(path, *, kind, media_type, expected, limits, thumbnail):
    return Examined(
        file_hash=hashlib.sha256(path.read_bytes()).hexdigest(),
        kind=kind,
        facts={},
        results=(),
        passed=True,
        expectations_hash=expected.hash(),
        duration_s=4.0,
        width=64,
        height=64,
    )


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(Studio, "submit", _tiny)
    monkeypatch.setattr(ThisMachine, "submit", _tiny)
    monkeypatch.setattr(checking.inspection, "examine", _believe)
    assert {"studio", "this_machine"} <= set(registry.all_adapters())


def run(strategy):
    batch = a_batch(*TOPICS, settings=BatchSettings(strategy=strategy, scenes=2, seconds=8, chunk_size=2))
    drive_until_idle(timeout_s=60)
    assert set(batch.videos.values_list("state", flat=True)) == {Video.State.DONE}
    assert_invariants()
    return batch


def assets_of(batch):
    rows = Asset.objects.filter(video__batch=batch, current=True)
    return {
        (a.video.position, a.scene.position if a.scene else 0, a.kind, "" if a.kind == "render" else a.sha256)
        for a in rows.select_related("video", "scene")
    }


def calls_of(batch):
    """(stage number, video, scene, from, until) of every attempt, in the order in which they were sent."""
    rows = Attempt.objects.filter(step__batch=batch).select_related("step__video", "step__scene")
    found = [
        (
            STAGE_NUMBER[a.step.stage],
            a.step.video.position,
            a.step.scene.position if a.step.scene else 0,
            a.sent_at,
            a.step.finished_at,
        )
        for a in rows
    ]
    return sorted(found, key=lambda call: call[3])


def test_every_strategy_ends_with_the_same_assets(quick):
    results = [assets_of(run(strategy)) for strategy in STRATEGIES]
    assert len(results[0]) == len(TOPICS) * (1 + 2 * 3 + 1)
    assert all(result == results[0] for result in results)


def test_parallel_begins_no_stage_before_the_one_before_is_over(quick):
    calls = calls_of(run("parallel"))
    for number in sorted({call[0] for call in calls})[1:]:
        begins = min(call[3] for call in calls if call[0] == number)
        assert begins >= max(call[4] for call in calls if call[0] < number)


def test_chunked_does_so_chunk_by_chunk(quick):
    calls = calls_of(run("chunked"))
    turns = sorted({(call[0], (call[1] - 1) // 2) for call in calls})
    for turn in turns[1:]:
        begins = min(call[3] for call in calls if (call[0], (call[1] - 1) // 2) == turn)
        assert begins >= max(call[4] for call in calls if (call[0], (call[1] - 1) // 2) < turn)


def test_sequential_has_one_at_a_time_by_video_then_stage_then_scene(quick):
    calls = calls_of(run("sequential"))
    assert [call[:3] for call in calls] == sorted((c[:3] for c in calls), key=lambda c: (c[1], c[0], c[2]))
    for one, next_one in zip(calls, calls[1:], strict=False):
        assert next_one[3] >= one[4]


def test_pipelined_overlaps_stages(quick):
    calls = calls_of(run("pipelined"))
    first_image = min(call[3] for call in calls if call[0] == STAGE_NUMBER[Stage.IMAGE])
    assert first_image < max(call[4] for call in calls)
    for one in (Stage.VOICEOVER, Stage.IMAGE):  # both are open at once
        other = Stage.IMAGE if one is Stage.VOICEOVER else Stage.VOICEOVER
        begins = min(call[3] for call in calls if call[0] == STAGE_NUMBER[one])
        assert begins < max(call[4] for call in calls if call[0] == STAGE_NUMBER[other])
