"""Files become assets: rows when they are stored, current when they are judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobs.models import Asset, Step
from jobs.states import USABLE, Verdict
from qc.models import Inspection

from .calls import Stored

BESIDE = {"srt": Asset.Kind.SRT, "vtt": Asset.Kind.VTT, "poster": Asset.Kind.POSTER}


def create(step: Step, files: Sequence[Stored], now: datetime) -> None:
    """Rows for what a step made: the thing itself, not current before it is judged, and what stands beside it."""
    Asset.objects.bulk_create(
        Asset(
            video_id=step.video_id,
            scene_id=step.scene_id,
            step=step,
            kind=BESIDE[file.role] if file.role else step.stage,
            round=step.round,
            name=file.name,
            sha256=file.sha256,
            size=file.size,
            media_type=file.media_type,
            made_for=step.wanted,
            stands_for=step.wanted,
            created_at=now,
        )
        for file in files
        if not file.role or file.role in BESIDE
    )


def failed_tries(asset: Asset) -> int:
    """How many files made for the same thing failed their checks since a person last sent one back."""
    slot = Asset.objects.filter(video=asset.video_id, scene=asset.scene_id, kind=asset.kind, made_for=asset.made_for)
    last = slot.filter(verdict=Verdict.SENT_BACK).order_by("-pk").values_list("pk", flat=True).first() or 0
    return slot.filter(pk__gt=last, pk__lt=asset.pk, verdict=Verdict.FAILED).count()


def judge(asset: Asset, *, passed: bool, inspection: Inspection | None, auto_retries: int) -> Verdict:
    """The verdict of a checked file: passed, failed (a new try is due by itself), or flagged for a reviewer."""
    if passed:
        verdict = Verdict.PASSED
    elif failed_tries(asset) < auto_retries:
        verdict = Verdict.FAILED
    else:
        verdict = Verdict.FLAGGED
    asset.verdict, asset.inspection = verdict, inspection
    return verdict


def make_current(asset: Asset) -> bool:
    """The asset takes its slot, and what was made with it comes along. False: the slot keeps what it has.

    It does when a person put an older version into it while this one was being made.
    """
    slot = Asset.objects.filter(video=asset.video_id, scene=asset.scene_id, current=True)
    holder = slot.filter(kind=asset.kind).first()
    if holder and holder.pk != asset.pk and holder.stands_for == asset.stands_for and holder.verdict in USABLE:
        return False
    mates = Asset.objects.filter(step=asset.step_id) if asset.step_id else Asset.objects.none()
    kinds = [asset.kind, *mates.exclude(pk=asset.pk).values_list("kind", flat=True)]
    slot.filter(kind__in=kinds).update(current=False)
    mates.exclude(pk=asset.pk).update(current=True)
    asset.current = True
    return True
