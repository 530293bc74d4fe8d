"""Rows as the engine leaves them, for questions about many of them."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from jobs.models import Asset, Attempt, Batch, LedgerEntry, Step, Video
from providers.models import Price
from qc.models import CheckResult, Inspection

_numbers = itertools.count(1)


def a_step(batch: Batch, *, stage: str = "image", state: str = "done", **values: object) -> Step:
    video = values.pop("video", None) or batch.videos.first()
    seller = Step.objects.filter(batch=batch).first()
    return Step.objects.create(
        batch=batch,
        video=video,
        stage=stage,
        round=100 + next(_numbers),
        wanted="w",
        want={},
        lane=seller.lane,
        provider=seller.provider,
        state=state,
        **values,
    )


def an_attempt(
    step: Step, *, at: datetime, seconds: float = 1.0, outcome: str = "accepted", spent: int = 0, **values: object
) -> Attempt:
    """One that is over; what it cost is in the ledger."""
    number = next(_numbers)
    attempt = Attempt.objects.create(
        **{
            "step": step,
            "no": number,
            "provider": step.provider,
            "lane": step.lane,
            "capability": "image",
            "tag": f"tag-{number}",
            "request_hash": "h",
            "request": {},
            "price": Price.objects.filter(provider=step.provider).first(),
            "sent_at": at,
            "on_wire_at": at,
            "send_deadline": at,
            "outcome": outcome,
            "cost_micro": spent,
            "ended_at": at + timedelta(seconds=seconds),
            **values,
        }
    )
    if spent:
        LedgerEntry.objects.create(
            kind="settle",
            attempt=attempt,
            project=step.batch.project,
            batch=step.batch,
            provider=step.provider,
            spent_micro=spent,
            at=attempt.ended_at,
        )
    return attempt


def a_judged_file(step: Step, *, at: datetime, failed: tuple[str, ...] = (), round: int = 1) -> Asset:
    number = next(_numbers)
    inspection = Inspection.objects.create(
        file_hash=f"{number:064d}",
        kind="image",
        profile_name="default",
        profile_version=1,
        expectations_hash="e",
        passed=not failed,
    )
    for name in failed:
        CheckResult.objects.create(inspection=inspection, name=name, status="failed", sentence="No.")
    return Asset.objects.create(
        video=step.video,
        kind=step.stage,
        step=step,
        round=round,
        name="a",
        sha256="a",
        size=1,
        media_type="image/jpeg",
        inspection=inspection,
        created_at=at,
    )


def an_ended_video(batch: Batch, *, at: datetime, seconds: float = 60.0, state: str = "done") -> Video:
    ended = at + timedelta(seconds=seconds) if state == "done" else None
    position = 1000 + next(_numbers)
    return Video.objects.create(
        batch=batch, position=position, topic="Bread", state=state, started_at=at, finished_at=ended
    )
