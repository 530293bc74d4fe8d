"""Gives videos the steps they are due, in the transaction of whatever made that necessary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q

from jobs.many_rows import insert_all
from jobs.models import Asset, Batch, Scene, Step, Video
from jobs.pipeline import AssetFacts, OpenStep, Plan, SceneFacts, Slot, StepSpec, VideoFacts, due, over
from jobs.routing import OfferFacts, choose, wishes
from jobs.settings_types import BatchSettings
from jobs.states import OPEN, USABLE, Reason, Stage, State
from jobs.strategies import NOTHING_OWED, gate_of, has_gates, open_gate, rank_of
from jobs.transactions import atomically
from providers.models import Lane, Offer
from providers.repeats import repeats

AT_ONCE = 200  # videos in one go
NO_PROVIDER = "No enabled provider"
LANE_COLUMNS = ("pk", "provider", "capability", "offer", "bulk")


def advance(video_ids: Iterable[int], now: datetime, *, not_before: datetime | None = None) -> None:
    """Inserts the steps that are due for these videos, drops stale ones, and keeps what the pages say of them.

    New steps start at `not_before`: a person's decision can be undone until then. Call it inside a transaction.
    Running it twice, or at once in two processes, changes nothing more.
    """
    videos = list(
        Video.objects.select_for_update(of=("self",))
        .select_related("batch")
        .filter(pk__in=set(video_ids))
        .order_by("pk")
    )
    market = _Market()
    facts = _gather(videos, market)
    plans = {video.pk: (due if video.cancelled_at is None else over)(facts[video.pk]) for video in videos}
    stale = [step_id for plan in plans.values() for step_id in plan.stale]
    if stale:
        idle = Step.objects.filter(pk__in=stale, state__in=(State.READY, State.ATTENTION))
        idle.exclude(reason=Reason.DECISION).update(state=State.CANCELLED, finished_at=now, message="No longer wanted.")
    for video in videos:
        _revive(video, plans[video.pk])
    unsold = _insert(videos, plans, facts, market, not_before or now)
    for video in videos:
        _tell(video, plans[video.pk], unsold.get(video.pk), now)
    _open_gates((video.batch_id for video in videos), now)


def mark(video_ids: Iterable[int]) -> None:
    """Leaves the advance to the next drive; for many videos at once."""
    Video.objects.filter(pk__in=set(video_ids), needs_advance=False).update(needs_advance=True)


def plan_of(video: Video) -> Plan:
    """What would be done about the video now; writes nothing."""
    return due(_gather([video], _Market())[video.pk])


def _revive(video: Video, plan: Plan) -> None:
    """Puts older assets that are wanted again back into their slots."""
    for (scene_id, kind), asset_id in plan.revive:
        Asset.objects.filter(video=video, scene=scene_id, kind=kind, current=True).update(current=False)
        Asset.objects.filter(pk=asset_id).update(current=True)


class _Market:
    """Offers and lanes, read once."""

    def __init__(self) -> None:
        columns = ("pk", "provider", "capability", "name", "label", "lengths", "takes")
        rows = list(Offer.objects.usable().values_list(*columns))
        lanes = list(Lane.objects.filter(provider__in={row[1] for row in rows}).values_list(*LANE_COLUMNS))
        self.known_lengths: dict[int, tuple[int, ...] | None] = {}
        self.offers: list[OfferFacts] = []
        for pk, provider, capability, name, label, lengths, takes in rows:
            fitting, in_bulk = (
                [
                    (lane_offer is not None, bool(lane_capability), -lane)  # the most specific one
                    for lane, lane_provider, lane_capability, lane_offer, is_bulk in lanes
                    if lane_provider == provider and lane_capability in ("", capability) and lane_offer in (None, pk)
                    if is_bulk is wanted
                ]
                for wanted in (False, True)
            )
            if fitting:
                self.offers.append(
                    OfferFacts(
                        id=pk,
                        provider_id=provider,
                        lane_id=-max(fitting)[2],
                        bulk_lane_id=-max(in_bulk)[2] if in_bulk else None,
                        capability=capability,
                        name=name,
                        label=label,
                        lengths=tuple(sorted(lengths)),
                        takes=takes,
                    )
                )

    def choose(self, stage: str, settings: BatchSettings, *, hero: bool = False) -> OfferFacts | None:
        return choose(stage, settings.offers, self.offers, hero=hero)

    def lengths(self, settings: BatchSettings, *, hero: bool) -> tuple[int, ...]:
        """Of the first choice, whether it can be used just now or not: what was made by it stays what is wanted."""
        for wish in wishes(Stage.CLIP, settings.offers, hero=hero):
            if wish not in self.known_lengths:
                known = Offer.objects.filter(pk=wish).values_list("lengths", flat=True).first()
                self.known_lengths[wish] = None if known is None else tuple(sorted(known))
            if (lengths := self.known_lengths[wish]) is not None:
                return lengths
        offer = self.choose(Stage.CLIP, settings, hero=hero)
        return offer.lengths if offer else ()


def offers_on_sale() -> list[OfferFacts]:
    """With the lanes that their steps queue in."""
    return _Market().offers


def _gather(videos: Sequence[Video], market: _Market) -> dict[int, VideoFacts]:
    ids = [video.pk for video in videos]
    scenes: dict[int, list[SceneFacts]] = defaultdict(list)
    for scene in Scene.objects.filter(video__in=ids, retired_at=None).order_by("position"):
        scenes[scene.video_id].append(
            SceneFacts(
                id=scene.pk,
                position=scene.position,
                narration=scene.narration,
                visual_prompt=scene.visual_prompt,
                seconds=scene.seconds,
                hero=scene.hero,
            )
        )
    assets: dict[int, dict[Slot, AssetFacts]] = defaultdict(dict)
    shelf: dict[int, dict[tuple[Slot, str], AssetFacts]] = defaultdict(dict)
    standing = Q(current=True) | Q(verdict__in=USABLE)
    for asset in Asset.objects.filter(standing, video__in=ids, kind__in=Stage.values).order_by("pk"):
        slot = (asset.scene_id, asset.kind)
        facts_of = AssetFacts(
            id=asset.pk,
            name=asset.name,
            sha256=asset.sha256,
            media_type=asset.media_type,
            verdict=asset.verdict,
            stands_for=asset.stands_for,
            seconds=asset.seconds,
        )
        if asset.current:
            assets[asset.video_id][slot] = facts_of
        elif asset.stands_for and asset.kind != Stage.SCRIPT:  # an older script's scenes are retired
            shelf[asset.video_id][slot, asset.stands_for] = facts_of
    open_steps: dict[int, dict[Slot, OpenStep]] = defaultdict(dict)
    rounds: dict[int, dict[Slot, int]] = defaultdict(dict)
    steps = Step.objects.filter(video__in=ids)
    for row in steps.values("video", "scene", "stage").annotate(highest=Max("round")).order_by():
        rounds[row["video"]][row["scene"], row["stage"]] = row["highest"]
    for step in steps.filter(state__in=OPEN).only("video", "scene", "stage", "wanted", "state", "reason", "message"):
        open_steps[step.video_id][step.scene_id, step.stage] = OpenStep(
            id=step.pk, wanted=step.wanted, state=step.state, reason=step.reason, message=step.message
        )
    made: dict[int, dict[tuple[Slot, str], int]] = defaultdict(dict)
    repeated = [scene.id for of in scenes.values() for scene in of if repeats(scene.visual_prompt)[1] > 1]
    if repeated:
        done = steps.filter(state=State.DONE, stage=Stage.IMAGE, scene__in=repeated)
        counted = done.values_list("video", "scene", "stage", "wanted").annotate(n=Count("pk")).order_by()
        for video_id, scene_id, stage, wanted, n in counted:
            made[video_id][(scene_id, stage), wanted] = n
    facts = {}
    for video in videos:
        settings = video.effective_settings()
        facts[video.pk] = VideoFacts(
            position=video.position,
            topic=video.topic,
            notes=video.notes,
            title=video.title,
            settings=settings,
            scenes=tuple(scenes[video.pk]),
            assets=assets[video.pk],
            shelf=shelf[video.pk],
            open_steps=open_steps[video.pk],
            rounds=rounds[video.pk],
            made=made[video.pk],
            clip_lengths=market.lengths(settings, hero=False),
            hero_lengths=market.lengths(settings, hero=True),
            script_released=video.script_released_at is not None,
            render_released=video.render_released_at is not None,
        )
    return facts


def _insert(
    videos: Sequence[Video], plans: dict[int, Plan], facts: dict[int, VideoFacts], market: _Market, now: datetime
) -> dict[int, str]:
    """Inserts what is new; returns, by video, the stage that no enabled provider can do."""
    rows, unsold = [], {}
    for video in videos:
        heroes = {scene.id for scene in facts[video.pk].scenes if scene.hero}
        for spec in plans[video.pk].new:
            offer = market.choose(spec.stage, facts[video.pk].settings, hero=spec.scene_id in heroes)
            if offer is None:
                unsold[video.pk] = spec.stage
            else:
                rows.append(_step(video, spec, offer, facts[video.pk].settings, now))
    insert_all(Step, rows, if_new=True)
    return unsold


def _step(video: Video, spec: StepSpec, offer: OfferFacts, settings: BatchSettings, now: datetime) -> Step:
    return Step(
        batch_id=video.batch_id,
        video_id=video.pk,
        scene_id=spec.scene_id,
        stage=spec.stage,
        round=spec.round,
        want=spec.want,
        wanted=spec.wanted,
        lane_id=offer.lane_for(spec.stage, settings),
        provider_id=offer.provider_id,
        offer_id=offer.id,
        gate=gate_of(settings, stage=spec.stage, video=video.position),
        rank=rank_of(settings, stage=spec.stage, video=video.position, scene=spec.scene_position),
        not_before=now,
        created_at=now,
    )


def _tell(video: Video, plan: Plan, unsold: str | None, now: datetime) -> None:
    """Writes what the pages say of the video, when that has changed."""
    state, note = _state_of(video, plan, unsold)
    finished_at = (video.finished_at or now) if state == Video.State.DONE else None
    owes = NOTHING_OWED if unsold else plan.owes
    before = (video.state, video.state_note, video.owes_gate, video.finished_at, video.needs_advance)
    if before != (state, note, owes, finished_at, False):
        Video.objects.filter(pk=video.pk).update(
            state=state, state_note=note[:300], owes_gate=owes, finished_at=finished_at, needs_advance=False
        )


def _state_of(video: Video, plan: Plan, unsold: str | None) -> tuple[Video.State, str]:
    if video.cancelled_at is not None:
        return Video.State.CANCELLED, ""
    if plan.finished:
        return Video.State.DONE, ""
    if plan.attention:
        return Video.State.ATTENTION, plan.attention[0].message
    if unsold:
        stage = Stage(unsold).label.lower()
        return (
            Video.State.ATTENTION,
            f"{NO_PROVIDER} makes this stage: {stage}. Enable one under Providers, or set its key.",
        )
    if plan.flagged:
        count = len(plan.flagged)
        what = Stage(plan.flagged[0]).label.lower() if count == 1 else f"{count} files"
        return Video.State.REVIEW, f"Waits for a reviewer: {what}."
    if plan.owes == NOTHING_OWED and plan.gate:
        return Video.State.GATE, plan.gate
    return (Video.State.RUNNING if video.started_at else Video.State.WAITING), ""


def _open_gates(batch_ids: Iterable[int], now: datetime) -> None:
    """Moves the open gate of gated batches, and ends those whose videos are all over.

    Under the batch's lock: of two videos that come to their end at once, the later one must see the other.
    """
    for batch in Batch.objects.select_for_update(no_key=True).filter(pk__in=set(batch_ids)).order_by("pk"):
        left = Video.objects.filter(batch=batch, finished_at=None, cancelled_at=None)
        over = now if not left.exists() else None
        if (over is None) != (batch.finished_at is None) and batch.cancelled_at is None:
            Batch.objects.filter(pk=batch.pk).update(finished_at=over)
        if has_gates(batch.batch_settings):
            gate = open_gate(left.order_by().values_list("owes_gate", flat=True).distinct())
            pause = timedelta(seconds=batch.batch_settings.chunk_pause_s) if batch.strategy == "chunked" else None
            # Only ever up, so that a regenerated step need not wait for the rest of the batch. Where everything waits
            # for people nothing is owed: then it stays, for the order goes on when they have decided.
            if batch.open_gate < gate < NOTHING_OWED:
                Batch.objects.filter(pk=batch.pk).update(
                    open_gate=gate, gate_opens_at=now + pause if pause and batch.open_gate else None
                )


@atomically
def clear_marks(now: datetime, most: int = 100) -> int:
    """Advances videos that were left to the drive; returns how many."""
    ids = list(Video.objects.filter(needs_advance=True).order_by("pk").values_list("pk", flat=True)[:most])
    if ids:
        advance(ids, now)
    return len(ids)
