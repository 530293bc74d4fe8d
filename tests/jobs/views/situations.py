"""Rows as they stand in the middle of a batch, without driving it there."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from jobs import ledger
from jobs.models import Asset, Attempt, Decision, Scene, Step, Video, Worker
from jobs.settings_types import BatchSettings
from jobs.states import Reason, State, Verdict
from providers.models import Price
from tests.factories import a_batch


def a_scene(video: Video, position: int = 1) -> Scene:
    return Scene.objects.create(
        video=video, position=position, narration="Bread rises.", visual_prompt="A loaf", seconds=4
    )


def an_asset(video: Video, kind: str = "script", *, scene=None, verdict=Verdict.PASSED, **values) -> Asset:
    row = {
        "name": "ab/cd/x.json", "sha256": "x", "size": 1, "media_type": "application/json", "current": True, **values
    }  # fmt: skip
    return Asset.objects.create(video=video, kind=kind, scene=scene, verdict=verdict, **row)


def a_stuck_step(batch, *, position: int = 1, reason=Reason.FAILED, message: str = "It broke.") -> Step:
    """The script of a video needs a person."""
    step = Step.objects.get(batch=batch, video__position=position, stage="script")
    Step.objects.filter(pk=step.pk).update(state=State.ATTENTION, reason=reason, message=message)
    Video.objects.filter(pk=step.video_id).update(state=Video.State.ATTENTION, state_note=message)
    step.refresh_from_db()
    return step


def a_lost_answer(batch, *, position: int = 1, message: str = "The answer was lost.", **values) -> Attempt:
    step = a_stuck_step(batch, position=position, reason=Reason.DECISION, message=message)
    row = {
        "step": step,
        "no": 1,
        "provider": step.provider,
        "lane": step.lane,
        "offer": step.offer,
        "capability": "script",
        "tag": f"tag{step.pk}",
        "request_hash": "x",
        "request": {},
        "price": Price.objects.filter(provider=step.provider).first(),
        "reserved_micro": 40_000,
        "sent_at": timezone.now(),
        "send_deadline": timezone.now(),
        "outcome": Attempt.Outcome.UNKNOWN,
    }
    attempt = Attempt.objects.create(**{**row, **values})
    with transaction.atomic():
        ledger.write([ledger.reserved(attempt, batch), ledger.put_at_risk(attempt, batch)], timezone.now())
    return attempt


def money_left_at_risk(batch) -> Attempt:
    """A lost answer within the allowance: its step was sent again."""
    attempt = a_lost_answer(batch)
    Decision.objects.create(
        kind=Decision.Kind.ACCEPT_DUPLICATE, step=attempt.step, attempt=attempt, amount_micro=attempt.reserved_micro
    )
    Step.objects.filter(pk=attempt.step_id).update(state=State.READY, reason="", message="")
    return attempt


def a_flagged_image(batch) -> Asset:
    video = batch.videos.first()
    asset = an_asset(video, "image", scene=a_scene(video), verdict=Verdict.FLAGGED)
    Video.objects.filter(pk=video.pk).update(state=Video.State.REVIEW, state_note="Waits for a reviewer: image.")
    return asset


def a_script_at_its_gate(*topics: str, **values):
    """A batch whose scripts are written and wait to be read."""
    batch = a_batch(*topics, settings=BatchSettings(scenes=2, seconds=8, script_gate=True), **values)
    Step.objects.filter(batch=batch).update(state=State.DONE, finished_at=timezone.now())
    for video in batch.videos.all():
        an_asset(video, step=video.steps.first(), stands_for=video.steps.first().wanted)
        a_scene(video, 1)
        a_scene(video, 2)
    batch.videos.update(state=Video.State.GATE, state_note="The script waits to be read.", title="A title")
    return batch


def workers_are_seen() -> None:
    for role in ("generation", "media"):
        Worker.objects.create(role=role, host="here", boot_id="x", pid=1)
