"""Files become assets: rows when they are stored, current when they are judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from jobs.models import Asset, Step
from jobs.states import USABLE, Verdict
from qc.types import Examined, Status

from .calls import Stored
from .rows import light

BESIDE = {"srt": Asset.Kind.SRT, "vtt": Asset.Kind.VTT, "poster": Asset.Kind.POSTER}
READ_OF_ASSET = ("id", "video_id", "scene_id", "kind", "step_id", "stands_for", "verdict", "current")


def create(made: Iterable[tuple[Step, Sequence[Stored]]], now: datetime) -> None:
    """Rows for what steps made: the thing itself, not current before it is judged, and what stands beside it."""
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
        for step, files in made
        for file in files
        if not file.role or file.role in BESIDE
    )


def failed_tries(asset: Asset) -> int:
    """How many files made for the same thing failed their checks since a person last sent one back."""
    slot = Asset.objects.filter(video=asset.video_id, scene=asset.scene_id, kind=asset.kind, made_for=asset.made_for)
    last = slot.filter(verdict=Verdict.SENT_BACK).order_by("-round").values_list("round", flat=True).first() or 0
    failed = slot.filter(round__gt=last, round__lt=asset.round, verdict=Verdict.FAILED)
    return failed.values("round").distinct().count()  # of several takes of one round, none was good enough


def best_of(takes: Sequence[Asset], examined: Sequence[Examined]) -> Asset:
    """The one that its checks like best: passed, the fewest failed ones, the fewest that could not run; the first."""

    def rank(number: int) -> tuple[bool, int, int]:
        one = examined[number]
        statuses = [result.status for result in one.results]
        return not one.passed, statuses.count(Status.FAILED), statuses.count(Status.SKIPPED)

    return takes[min(range(len(takes)), key=rank)]


def judge(asset: Asset, *, passed: bool, auto_retries: int) -> Verdict:
    """The verdict of a checked file: passed, failed (a new try is due by itself), or flagged for a reviewer."""
    if passed:
        verdict = Verdict.PASSED
    elif failed_tries(asset) < auto_retries:
        verdict = Verdict.FAILED
    else:
        verdict = Verdict.FLAGGED
    asset.verdict = verdict
    return verdict


class Slots:
    """Which files hold the slots of some videos, while a handful of others is judged. `write` says what changed."""

    def __init__(self, judged: Collection[Asset]) -> None:
        current = Asset.objects.filter(video__in={asset.video_id for asset in judged}, current=True)
        self.holders = {_slot(holder): holder for holder in light(current, READ_OF_ASSET)}
        self.mates: dict[int | None, list[Asset]] = defaultdict(list)  # step -> all that was made with it
        for mate in light(Asset.objects.filter(step__in={asset.step_id for asset in judged}), READ_OF_ASSET):
            self.mates[mate.step_id].append(mate)
        self.changed: dict[int, bool] = {}  # asset -> current

    def take(self, asset: Asset) -> bool:
        """The asset takes its slot, and what was made with it comes along. False: the slot keeps what it has.

        It does when a person put an older version into it while this one was being made.
        """
        holder = self.holders.get(_slot(asset))
        if holder and holder.pk != asset.pk and holder.stands_for == asset.stands_for and holder.verdict in USABLE:
            return False
        for mate in self.mates[asset.step_id]:
            if mate.kind != asset.kind:
                self._put(mate)
        self._put(asset)
        return True

    def _put(self, asset: Asset) -> None:
        before = self.holders.get(_slot(asset))
        if before is not None:
            before.current = self.changed[before.pk] = False
        asset.current = self.changed[asset.pk] = True
        self.holders[_slot(asset)] = asset

    def write(self) -> None:
        for current in (False, True):
            ids = [asset_id for asset_id, now in self.changed.items() if now is current]
            if ids:
                Asset.objects.filter(pk__in=ids).update(current=current)


def make_current(asset: Asset) -> bool:
    slots = Slots([asset])
    took_it = slots.take(asset)
    slots.write()
    return took_it


def _slot(asset: Asset) -> tuple[int, int | None, str]:
    return asset.video_id, asset.scene_id, asset.kind
