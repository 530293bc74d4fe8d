"""A person's verdict on a file. What follows from it starts a little later, so that it can be undone."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Q

from jobs.advance import advance
from jobs.control import Refused
from jobs.models import Asset, Review, Step, Video
from jobs.stages import script as script_stage
from jobs.states import State, Verdict
from jobs.transactions import atomically

UNDO_S = 10.0
CLAIM_S = 300.0


@atomically
def approve(asset: Asset, by: User, now: datetime, *, note: str = "") -> Review:
    """The flagged file is good enough: it counts as usable."""
    _lock(asset)
    _decide(asset, Verdict.APPROVED)
    if asset.kind == Asset.Kind.SCRIPT:
        script_stage.apply(asset.video, asset, now)
    review = Review.objects.create(asset=asset, verdict=Verdict.APPROVED, note=note[:500], by=by, at=now)
    advance([asset.video_id], now, not_before=now + timedelta(seconds=UNDO_S))
    return review


@atomically
def send_back(asset: Asset, by: User, now: datetime, *, reason: str, note: str = "") -> Review:
    """The file is not good enough: it is made again, and nothing else."""
    if reason not in Review.Reason.values:
        raise Refused("Choose a reason: " + ", ".join(Review.Reason.labels) + ".")
    _lock(asset)
    _decide(asset, Verdict.SENT_BACK)
    Asset.objects.filter(pk=asset.pk).update(current=False, stands_for="")
    review = Review.objects.create(
        asset=asset, verdict=Verdict.SENT_BACK, reason=reason, note=note[:500], by=by, at=now
    )
    advance([asset.video_id], now, not_before=now + timedelta(seconds=UNDO_S))
    return review


@atomically
def undo(review: Review, now: datetime) -> None:
    """Takes a decision back while nothing has followed from it."""
    asset = review.asset
    _lock(asset)
    review.refresh_from_db()
    if review.undone_at is not None:
        raise Refused("This decision has already been taken back.")
    if asset.reviews.filter(pk__gt=review.pk, undone_at=None).exists():
        raise Refused("There is a newer decision on this file; take that one back first.")
    slot = Asset.objects.filter(video=asset.video_id, scene=asset.scene_id, kind=asset.kind, current=True)
    if slot.exclude(pk=asset.pk).exists():
        raise Refused("Too late: another version has taken its place.")
    begun = Step.objects.filter(video=asset.video_id, created_at__gte=review.at)
    begun = begun.exclude(state__in=(State.READY, State.CANCELLED))
    if asset.scene_id:
        begun = begun.filter(Q(scene=asset.scene_id) | Q(scene=None))
    if begun.exists():
        raise Refused("Too late: what follows from this decision is already being made.")
    if asset.kind == Asset.Kind.SCRIPT and review.verdict == Verdict.APPROVED:
        asset.video.scenes.filter(retired_at=None).update(retired_at=now)
    Asset.objects.filter(pk=asset.pk).update(verdict=Verdict.FLAGGED, current=True, stands_for=asset.made_for)
    Review.objects.filter(pk=review.pk).update(undone_at=now)
    advance([asset.video_id], now)


def claim(asset: Asset, by: User, now: datetime) -> User | None:
    """Marks the file as being reviewed by this person for five minutes; or returns who has it."""
    until = now + timedelta(seconds=CLAIM_S)
    free = Asset.objects.filter(pk=asset.pk).exclude(reviewing_until__gt=now)
    mine = Asset.objects.filter(pk=asset.pk, reviewing_by=by)
    if (free | mine).update(reviewing_by=by, reviewing_until=until):
        return None
    return Asset.objects.select_related("reviewing_by").get(pk=asset.pk).reviewing_by


def _lock(asset: Asset) -> None:
    Video.objects.select_for_update().get(pk=asset.video_id)


def _decide(asset: Asset, verdict: Verdict) -> None:
    """From flagged, once only: of two reviewers at once the second is told."""
    changed = Asset.objects.filter(pk=asset.pk, current=True, verdict=Verdict.FLAGGED).update(
        verdict=verdict, reviewing_by=None, reviewing_until=None
    )
    if not changed:
        last = asset.reviews.filter(undone_at=None).select_related("by").last()
        raise Refused(f"{last.by} has already decided about this file." if last else "This file waits for nobody.")
