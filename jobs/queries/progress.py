"""How far batches are, stage by stage. A handful of queries however many batches, videos and steps there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, OuterRef, Q

from jobs.models import Asset, Batch, Step, Video
from jobs.pipeline import planned_slots
from jobs.settings_types import effective
from jobs.states import IN_FLIGHT, OPEN, USABLE, Reason, Stage, State, Verdict

WORDS: Mapping[str, str] = {
    Stage.TOPIC_MODERATION: "Topic check",
    Stage.SCRIPT: "Scripts",
    Stage.TEXT_MODERATION: "Text check",
    Stage.VOICEOVER: "Voiceovers",
    Stage.IMAGE: "Images",
    Stage.CLIP: "Clips",
    Stage.RENDER: "Renders",
}
NOUNS: Mapping[str, tuple[str, str]] = {
    Stage.TOPIC_MODERATION: ("topic check", "topic checks"),
    Stage.SCRIPT: ("script", "scripts"),
    Stage.TEXT_MODERATION: ("text check", "text checks"),
    Stage.VOICEOVER: ("voiceover", "voiceovers"),
    Stage.IMAGE: ("image", "images"),
    Stage.CLIP: ("clip", "clips"),
    Stage.RENDER: ("render", "renders"),
}
PICTURES: Mapping[str, str] = {
    Stage.TOPIC_MODERATION: "shield-check",
    Stage.SCRIPT: "file-text",
    Stage.TEXT_MODERATION: "shield-check",
    Stage.VOICEOVER: "microphone",
    Stage.IMAGE: "photo",
    Stage.CLIP: "movie",
    Stage.RENDER: "package",
}


@dataclass(slots=True, kw_only=True)
class StageBar:
    stage: str
    total: int = 0
    done: int = 0
    running: int = 0
    failed: int = 0
    needs: int = 0
    ready: int = 0  # of the waiting ones: those whose step exists
    note: str = ""

    @property
    def word(self) -> str:
        return WORDS[self.stage]

    @property
    def picture(self) -> str:
        return PICTURES[self.stage]

    @property
    def waiting(self) -> int:
        return max(0, self.total - self.done - self.running - self.failed - self.needs)

    @property
    def left(self) -> int:
        """What the machines still have to do, as far as no person holds it up."""
        return self.waiting + self.running


@dataclass(slots=True, kw_only=True)
class Progress:
    stages: list[StageBar] = field(default_factory=list)
    videos: Counter[str] = field(default_factory=Counter)  # by state
    out: int = 0  # calls and files of cancelled videos that are still under way
    flagged: int = 0  # files that wait for a reviewer
    asking: int = 0  # steps that wait for a person, those of cancelled videos included

    @property
    def total(self) -> int:
        """Videos that were not cancelled."""
        return self.videos.total() - self.videos[Video.State.CANCELLED]

    @property
    def ordered(self) -> int:
        return self.videos.total()

    @property
    def finished(self) -> int:
        return self.videos[Video.State.DONE]

    @property
    def cancelled(self) -> int:
        return self.videos[Video.State.CANCELLED]

    @property
    def gates(self) -> int:
        return self.videos[Video.State.GATE]

    @property
    def failed(self) -> int:
        return sum(bar.failed for bar in self.stages)

    def sum_of(self, what: str) -> int:
        return sum(int(getattr(bar, what)) for bar in self.stages)

    @property
    def has_work(self) -> bool:
        """Something is ready or under way: a worker is missed."""
        return bool(self.out or self.sum_of("ready") or self.sum_of("running"))

    @property
    def bar(self) -> dict[str, int]:
        """All stages in one bar."""
        return {what: self.sum_of(what) for what in ("done", "running", "failed", "needs", "waiting")}


def progress_of(batches: Sequence[Batch]) -> dict[int, Progress]:
    """Planned minus existing is what waits: a step exists only once its inputs are usable."""
    ids = [batch.pk for batch in batches]
    found = {batch.pk: Progress() for batch in batches}
    bars: dict[tuple[int, str], StageBar] = {}
    for batch_id, stages in _planned(batches, found).items():
        for stage in Stage:
            if stages[stage.value]:
                bar = StageBar(stage=stage.value, total=stages[stage.value])
                bars[batch_id, stage.value] = bar
                found[batch_id].stages.append(bar)
    for row in _standing(ids):
        _count_files(row, found[row["video__batch"]], bars.get((row["video__batch"], row["kind"])))
    for row in _open_steps(ids):
        _count_steps(row, found[row["batch"]], bars.get((row["batch"], row["stage"])))
    for bar in bars.values():
        bar.done = max(0, min(bar.done, bar.total - bar.running - bar.failed - bar.needs))
        bar.note = _note(bar)
    return found


def _planned(batches: Iterable[Batch], found: Mapping[int, Progress]) -> dict[int, Counter[str]]:
    """How many assets each stage has in the end: measured where the script is there, else as the settings say.

    Counts the videos on the way.
    """
    by_id = {batch.pk: batch for batch in batches}
    planned: dict[int, Counter[str]] = defaultdict(Counter)
    live = Q(scenes__retired_at=None)
    rows: Iterable[Any] = (
        Video.objects.filter(batch__in=by_id)
        .annotate(cancelled=_is_set("cancelled_at"))
        .values("batch", "overrides", "state", "cancelled")
        .annotate(
            n=Count("pk", distinct=True),
            with_script=Count("scenes__video", distinct=True, filter=live),
            scene_count=Count("scenes", distinct=True, filter=live),
        )
        .order_by()
    )
    for row in rows:
        found[row["batch"]].videos[row["state"]] += row["n"]
        if row["cancelled"]:
            continue
        settings = effective(by_id[row["batch"]].settings, row["overrides"])
        for stage, count in planned_slots(settings, 0):
            planned[row["batch"]][stage] += row["n"] * count
        to_come = (row["n"] - row["with_script"]) * settings.scenes
        for stage in (Stage.VOICEOVER, Stage.IMAGE, Stage.CLIP):
            planned[row["batch"]][stage.value] += row["scene_count"] + to_come
    return planned


def _standing(ids: Sequence[int]) -> Iterable[Any]:
    """Usable and flagged files in their slots, counted; those of scenes that are gone apart."""
    return (
        Asset.objects.filter(
            current=True,
            video__batch__in=ids,
            video__cancelled_at=None,
            kind__in=Stage.values,
            verdict__in=(*USABLE, Verdict.FLAGGED),
        )
        .annotate(retired=_is_set("scene__retired_at"))
        .values("video__batch", "kind", "verdict", "retired")
        .annotate(n=Count("pk"))
        .order_by()
    )


def _count_files(row: Mapping[str, Any], progress: Progress, bar: StageBar | None) -> None:
    is_flagged = row["verdict"] == Verdict.FLAGGED
    if is_flagged:
        progress.flagged += row["n"]
    if bar is None or row["retired"]:
        return
    if is_flagged:
        bar.needs += row["n"]
    else:
        bar.done += row["n"]


def _open_steps(ids: Sequence[int]) -> Iterable[Any]:
    """A file that is being replaced stands until the new one is there, and is not counted as done any more."""
    slot = Asset.objects.filter(
        Q(scene=OuterRef("scene")) | Q(scene=None),
        video=OuterRef("video"),
        kind=OuterRef("stage"),
        current=True,
        verdict__in=USABLE,
    )
    return (
        Step.objects.filter(batch__in=ids, state__in=OPEN)
        .annotate(cancelled=_is_set("video__cancelled_at"), replaces=Exists(slot))
        .values("batch", "stage", "state", "reason", "cancelled", "replaces")
        .annotate(n=Count("pk"))
        .order_by()
    )


def _count_steps(row: Mapping[str, Any], progress: Progress, bar: StageBar | None) -> None:
    n, state = row["n"], row["state"]
    if state == State.ATTENTION:
        progress.asking += n
    if row["cancelled"]:
        progress.out += n if state in IN_FLIGHT else 0
        return
    if bar is None:
        return
    if row["replaces"]:
        bar.done -= n
    if state == State.ATTENTION:
        if row["reason"] == Reason.DECISION:
            bar.needs += n
        else:
            bar.failed += n
    elif state == State.READY:
        bar.ready += n
    else:  # an answer that was lost is being looked for: that is work too
        bar.running += n


def _is_set(field: str) -> ExpressionWrapper[Q]:
    return ExpressionWrapper(Q(**{f"{field}__isnull": False}), output_field=BooleanField())


def _note(bar: StageBar) -> str:
    if bar.done == bar.total:
        return "done"
    if bar.failed:
        return f"{bar.failed} failed"
    if bar.needs:
        return f"{bar.needs} for you"
    if bar.running:
        return f"{bar.running} running"
    return f"{bar.ready} next" if bar.ready else "to come"
