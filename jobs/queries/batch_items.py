"""The rows of a batch page: each video with its picture, state, one-line reason, cost, time and next action."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from jobs.models import Asset, Batch, LedgerEntry, Scene, Step, Video
from jobs.queries.gauges import Market
from jobs.queries.progress import NOUNS, WORDS
from jobs.queries.queues import Queue
from jobs.states import IN_FLIGHT, OPEN, STAGE_NUMBER, USABLE, Reason, Stage, State, Verdict
from jobs.strategies import CHUNKS
from jobs.templatetags.vidbatch import duration
from providers.models import Lane

STAGES = list(Stage)
PER_SCENE = (Stage.VOICEOVER, Stage.IMAGE, Stage.CLIP)


@dataclass(slots=True, kw_only=True)
class Item:
    video_id: int
    title: str
    topic: str
    state: str
    word: str = ""
    reason: str = ""
    cost_micro: int | None = None
    seconds: float | None = None
    picture_id: int | None = None
    retry_step: int | None = None  # a step that can be tried again
    decide_step: int | None = None  # a step whose answer was lost
    review_asset: int | None = None
    at_gate: bool = False


@dataclass(slots=True)
class _Gathered:
    steps: dict[int, list[Step]] = field(default_factory=lambda: defaultdict(list))
    usable: Counter[tuple[int, str]] = field(default_factory=Counter)
    pictures: dict[int, int] = field(default_factory=dict)
    flagged: dict[int, int] = field(default_factory=dict)
    length: dict[int, float] = field(default_factory=dict)
    costs: dict[int, int] = field(default_factory=dict)
    scenes: dict[int, int] = field(default_factory=dict)


def filtered(batch: Batch, *, state: str, search: str) -> QuerySet[Video]:
    videos = Video.objects.filter(batch=batch).order_by("position")
    if state in Video.State.values:
        videos = videos.filter(state=state)
    return videos.filter(Q(topic__icontains=search) | Q(title__icontains=search)) if search else videos


def items_of(batch: Batch, videos: Sequence[Video], market: Market, queues: Mapping[int, Queue]) -> list[Item]:
    """Five queries, however many videos."""
    gathered = _gather([video.pk for video in videos])
    return [_item(batch, video, gathered, market, queues) for video in videos]


def _gather(ids: Sequence[int]) -> _Gathered:
    got = _Gathered()
    for step in Step.objects.filter(video__in=ids, state__in=OPEN).order_by("pk").defer("want", "links"):
        got.steps[step.video_id].append(step)
    for scene in (
        Scene.objects.filter(video__in=ids, retired_at=None).values("video").annotate(n=Count("pk")).order_by()
    ):
        got.scenes[scene["video"]] = scene["n"]
    standing = Asset.objects.filter(Q(scene=None) | Q(scene__retired_at=None), video__in=ids, current=True)
    for row in standing.values("pk", "video", "kind", "verdict", "thumbnail", "seconds").order_by("-pk"):
        _note_asset(got, row)
    costs = LedgerEntry.objects.filter(attempt__step__video__in=ids).values_list("attempt__step__video")
    for video_id, micro in costs.annotate(micro=Sum("spent_micro")).order_by():
        got.costs[video_id] = micro
    return got


def _note_asset(got: _Gathered, row: Mapping[str, Any]) -> None:
    """Newest first: what comes later is older, so the first scene's picture wins over the last one's."""
    video = row["video"]
    if row["verdict"] in USABLE:
        got.usable[video, row["kind"]] += 1
    if row["verdict"] == Verdict.FLAGGED:
        got.flagged[video] = row["pk"]
    if row["kind"] == Asset.Kind.RENDER:
        got.length[video] = row["seconds"]
    if row["thumbnail"] and row["kind"] in (Asset.Kind.IMAGE, Asset.Kind.RENDER):
        got.pictures[video] = row["pk"]


def _item(batch: Batch, video: Video, got: _Gathered, market: Market, queues: Mapping[int, Queue]) -> Item:
    item = Item(
        video_id=video.pk,
        title=video.title or video.topic,
        topic=video.topic if video.title else "",
        state=video.state,
        reason=video.state_note,
        cost_micro=got.costs.get(video.pk),
        seconds=(video.finished_at - video.started_at).total_seconds()
        if video.finished_at and video.started_at
        else None,
        picture_id=got.pictures.get(video.pk),
    )
    steps = got.steps[video.pk]
    if video.state == Video.State.DONE:
        item.state, item.reason = "finished", f"{duration(got.length[video.pk])} long" if video.pk in got.length else ""
    elif video.state == Video.State.REVIEW:
        item.state, item.review_asset = "flagged", got.flagged.get(video.pk)
    elif video.state == Video.State.GATE:
        item.state, item.word, item.at_gate = "attention", "Waits for your go", True
    elif video.state == Video.State.ATTENTION:
        _needs(item, [step for step in steps if step.state == State.ATTENTION])
    elif video.state in (Video.State.RUNNING, Video.State.WAITING):
        if not _under_way(item, video, steps, got, market):
            item.state = "paused" if batch.paused_at else "waiting"
            item.reason = waits_for(batch, [step for step in steps if step.state == State.READY], market, queues)
    elif video.state == Video.State.CANCELLED:
        out = sum(step.state in IN_FLIGHT for step in steps)
        item.reason = f"{out} calls are still out; what they cost is booked" if out else ""
    return item


def _needs(item: Item, steps: Sequence[Step]) -> None:
    item.state = "attention"
    for step in steps:
        if step.reason == Reason.DECISION:
            item.state, item.decide_step = "decision", step.pk
        else:
            refused = step.reason in (Reason.REJECTED, Reason.CONTENT)
            item.state = "rejected" if refused else "failed"
            item.retry_step = None if refused else step.pk
    if steps:
        first = steps[0]
        item.reason = f"{first.get_stage_display()}: {first.message or Reason(first.reason).label}"


def _under_way(item: Item, video: Video, steps: Sequence[Step], got: _Gathered, market: Market) -> bool:
    """False when nothing of the video is."""
    out = [step for step in steps if step.state in IN_FLIGHT or step.state == State.UNKNOWN]
    if out:
        stage = max(out, key=lambda step: STAGE_NUMBER[step.stage]).stage
        total = got.scenes.get(video.pk, 1) if stage in PER_SCENE else 1
        done = got.usable[video.pk, stage]
        item.state, item.word = (
            "running",
            f"{WORDS[stage]} {done} / {total}" if total > 1 else NOUNS[stage][0].capitalize(),
        )
        item.reason = _out_words(out, market)
    return bool(out)


def _out_words(steps: Iterable[Step], market: Market) -> str:
    """“2 clips at Studio, 1 image being checked”"""
    counts: Counter[tuple[str, str]] = Counter()
    for step in steps:
        where = {
            State.FETCHING: "being fetched",
            State.CHECKING: "being checked",
            State.UNKNOWN: "whose answer was lost: being looked for",
        }.get(State(step.state), _at(market.lanes[step.lane_id]))
        counts[step.stage, where] += 1
    return ", ".join(f"{n} {NOUNS[stage][n > 1]} {where}" for (stage, where), n in counts.items())


def _at(lane: Lane) -> str:
    return f"in bulk at {lane.provider}: back within a day" if lane.bulk else f"at {lane.provider}"


def waits_for(batch: Batch, ready: Sequence[Step], market: Market, queues: Mapping[int, Queue]) -> str:
    """What a video waits for that has nothing under way."""
    if batch.paused_at:
        return "Waits for you to resume the batch."
    if not ready:
        return "Waits to be planned by the engine."
    step = min(ready, key=lambda step: (step.gate, step.rank))
    noun = NOUNS[step.stage][0]
    lane = market.lanes[step.lane_id]
    if reason := _strategy_waits(batch, step, market):
        return f"Its {noun} waits for {reason}."
    if step.not_before > market.now:
        return f"Its {noun} is sent in {duration(max(1, round((step.not_before - market.now).total_seconds())))}."
    if market.nobody:
        return f"Its {noun} waits for a worker: none is running."
    if reason := market.holds(lane, batch, queues.get(lane.pk, Queue())):
        joint = "waits for" if reason.startswith("a place") else "waits:"
        return f"Its {noun} {joint} {reason}."
    if lane.bulk:
        return f"Its {noun} goes with the next bulk job to {lane.provider}."
    return f"Its {noun} is next in line at {lane.provider}."


def _strategy_waits(batch: Batch, step: Step, market: Market) -> str:
    if step.gate > batch.open_gate:
        number = batch.open_gate // CHUNKS if batch.strategy == "chunked" else batch.open_gate
        stage = STAGES[number - 1] if 0 < number <= len(STAGES) else STAGES[0]
        same = stage == step.stage
        return f"the chunk before it: {NOUNS[stage][1]}" if same else f"the {NOUNS[stage][1]} of the other videos"
    if batch.gate_opens_at and batch.gate_opens_at > market.now and step.gate == batch.open_gate:
        return f"the next chunk, in {duration(max(1, round((batch.gate_opens_at - market.now).total_seconds())))}"
    if batch.width == 1:
        return "its turn: one step at a time, in the order of the list"
    return ""
