"""Files become assets: rows when they are stored, current when they are judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from jobs.models import Asset, Step
from jobs.prepared import any_of, question
from jobs.states import USABLE, Verdict
from qc.types import Examined, Status

from .calls import Stored
from .rows import insert_rows, light

BESIDE = {"srt": Asset.Kind.SRT, "vtt": Asset.Kind.VTT, "poster": Asset.Kind.POSTER}
NOT_MEASURED_YET = {
    "thumbnail": "",
    "width": 0,
    "height": 0,
    "seconds": 0.0,
    "current": False,
    "verdict": Verdict.UNCHECKED.value,
    "checked_s": 0.0,
}
READ_OF_ASSET = ("id", "video_id", "scene_id", "kind", "step_id", "stands_for", "verdict", "current")


def create(made: Iterable[tuple[Step, Sequence[Stored]]], now: datetime) -> None:
    """Rows for what steps made: the thing itself, not current before it is judged, and what stands beside it."""
    rows = [_row(step, file, now) for step, files in made for file in files if not file.role or file.role in BESIDE]
    if rows:
        insert_rows(Asset, tuple(rows[0]), [tuple(row.values()) for row in rows])


def _row(step: Step, file: Stored, now: datetime) -> dict[str, Any]:
    return {
        "video": step.video_id,
        "scene": step.scene_id,
        "step": step.pk,
        "kind": BESIDE[file.role] if file.role else step.stage,
        "round": step.round,
        "name": file.name,
        "sha256": file.sha256,
        "size": file.size,
        "media_type": file.media_type,
        "made_for": step.wanted,
        "stands_for": step.wanted,
        "created_at": now,
        **NOT_MEASURED_YET,
    }


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


@question
def _current_of(videos: Any) -> Any:
    return Asset.objects.filter(any_of("video", videos), current=True).values_list(*READ_OF_ASSET)


@question
def _made_by(steps: Any) -> Any:
    return Asset.objects.filter(any_of("step", steps)).values_list(*READ_OF_ASSET)


class Slots:
    """Which files hold the slots of some videos, while a handful of others is judged. `write` says what changed."""

    def __init__(self, judged: Collection[Asset]) -> None:
        current = _current_of(list({asset.video_id for asset in judged}))
        self.holders = {_slot(holder): holder for holder in light(Asset, READ_OF_ASSET, current)}
        self.mates: dict[int | None, list[Asset]] = defaultdict(list)  # step -> all that was made with it
        for mate in light(Asset, READ_OF_ASSET, _made_by(list({asset.step_id for asset in judged} - {None}))):
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
