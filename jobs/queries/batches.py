"""What the batch page and the list of batches show, beside progress, rows and gauges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Min, Prefetch, Q, QuerySet, Sum

from jobs.models import Asset, Batch, Budget, Forecast, LedgerEntry, Scene, Step, Video
from jobs.queries.foreseen import about
from jobs.queries.gauges import Market
from jobs.queries.progress import Progress
from jobs.routing import is_in_bulk
from jobs.settings_types import BatchSettings
from jobs.states import Reason, Stage, State, Verdict

# A lost answer is a question of money: it stays when its video is cancelled.
STILL_ASKS = Q(video__cancelled_at=None) | Q(reason=Reason.DECISION)
SHOW = {
    "open": Q(finished_at=None, cancelled_at=None),
    "finished": ~Q(finished_at=None),
    "cancelled": ~Q(cancelled_at=None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    spent: int
    reserved: int
    at_risk: int
    cap: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Steps of a batch that wait for a person for one and the same reason; or, without a step, videos."""

    batch_id: int
    stage: str
    reason: str
    message: str
    count: int
    step_id: int | None  # the first of them
    video_id: int

    @property
    def what(self) -> str:
        noun = Stage(self.stage).label.lower() if self.stage else "video"
        return f"{self.count} {noun}" + ("s" if self.count > 1 else "")

    @property
    def is_decision(self) -> bool:
        return self.reason == Reason.DECISION

    @property
    def may_succeed(self) -> bool:
        """Tried again just as it is."""
        return bool(self.step_id) and self.reason not in (Reason.DECISION, Reason.REJECTED, Reason.CONTENT)


def batches_shown(
    user: AbstractBaseUser | AnonymousUser, *, show: str = "", project: str = "", search: str = ""
) -> QuerySet[Batch]:
    batches = Batch.objects.for_user(user).select_related("project", "created_by")
    if show in SHOW:
        batches = batches.filter(SHOW[show])
    if project.isdecimal() and len(project) < 10:
        batches = batches.filter(project=int(project))
    return batches.filter(name__icontains=search) if search else batches


def state_of(batch: Batch, progress: Progress) -> tuple[str, str]:
    """(state, word) of the chip."""
    if batch.cancelled_at:
        return "cancelled", "Cancelled"
    if batch.finished_at:
        return "finished", "Finished"
    if batch.paused_at:
        return "paused", "Paused"
    if progress.sum_of("running"):
        return "running", "Running"
    waits_for_people = sum(progress.videos[s] for s in ("gate", "review", "attention"))
    if waits_for_people and waits_for_people >= progress.total - progress.finished:
        return "attention", "Needs you"
    return "waiting", "Waiting"


def money_of(batch: Batch, market: Market) -> Money:
    sums = LedgerEntry.objects.filter(batch=batch).aggregate(
        spent=Sum("spent_micro", default=0),
        reserved=Sum("reserved_micro", default=0),
        risk=Sum("at_risk_micro", default=0),
    )
    caps = [b.cap_micro for b in market.budgets if b.scope == Budget.Scope.BATCH and b.batch_id == batch.pk]
    return Money(spent=sums["spent"], reserved=sums["reserved"], at_risk=sums["risk"], cap=min(caps, default=None))


def facts_of(batch: Batch) -> list[tuple[str, str]]:
    """What was ordered, in words; rows of the list may say otherwise for themselves."""
    s = batch.batch_settings
    width, height = s.size
    gates = [words for is_on, words in ((s.script_gate, "scripts"), (s.render_gate, "renders")) if is_on]
    return [
        ("Picture", f"{s.aspect_ratio}, {width}×{height}"),
        ("Length", f"{s.seconds} s in {s.scenes} scenes"),
        ("Language", s.language + (f", voice {s.voice}" if s.voice else "")),
        ("Moderation", "on" if s.moderation else "off"),
        *in_bulk_fact(s),
        ("New tries by itself", str(s.auto_retries)),
        ("Waits for your go", " and ".join(gates) or "never"),
        *_foreseen(batch),
    ]


def in_bulk_fact(settings: BatchSettings) -> list[tuple[str, str]]:
    stages = [f"{stage.label.lower()}s" for stage in Stage if is_in_bulk(stage, settings)]
    return [("In bulk, within 24 hours", " and ".join(stages))] if stages else []


def _foreseen(batch: Batch) -> list[tuple[str, str]]:
    told = Forecast.objects.filter(batch=batch).values_list("p50_s", "p90_s").first()
    return [("Foreseen at the start", f"{about(told[0])}, 9 of 10 times within {about(told[1])}")] if told else []


def causes_of(batch_ids: Sequence[int]) -> list[Cause]:
    """Why steps need a person, grouped by batch and sentence; then videos that no enabled provider can go on with."""
    steps = Step.objects.filter(STILL_ASKS, batch__in=batch_ids, state=State.ATTENTION)
    rows = steps.values("batch", "stage", "reason", "message").annotate(n=Count("pk"), step=Min("pk"), one=Min("video"))
    found = [
        Cause(
            batch_id=row["batch"],
            stage=row["stage"],
            reason=row["reason"],
            message=row["message"] or Reason(row["reason"]).label + ".",
            count=row["n"],
            step_id=row["step"],
            video_id=row["one"],
        )
        for row in rows.order_by("batch", "stage", "message")
    ]
    stuck = without_a_provider(batch_ids)
    for row in stuck.values("batch", "state_note").annotate(n=Count("pk"), one=Min("pk")).order_by("batch"):
        found.append(
            Cause(
                batch_id=row["batch"],
                stage="",
                reason="",
                message=row["state_note"],
                count=row["n"],
                step_id=None,
                video_id=row["one"],
            )
        )
    return found


def without_a_provider(batch_ids: Sequence[int]) -> QuerySet[Video]:
    """Videos that need a person but have no step that does: no enabled provider can go on with them."""
    return Video.objects.filter(batch__in=batch_ids, state=Video.State.ATTENTION).exclude(steps__state=State.ATTENTION)


def like(batch: Batch, step: Step) -> QuerySet[Step]:
    """Steps of the batch that need a person for the same reason."""
    return attention_of(batch).filter(stage=step.stage, reason=step.reason, message=step.message)


def attention_of(batch: Batch) -> QuerySet[Step]:
    return Step.objects.filter(STILL_ASKS, batch=batch, state=State.ATTENTION)


def flagged_by_batch(batch_ids: Sequence[int]) -> dict[int, int]:
    flagged = Asset.objects.filter(
        video__batch__in=batch_ids, current=True, verdict=Verdict.FLAGGED, video__cancelled_at=None
    )
    rows = flagged.values("video__batch").annotate(n=Count("pk")).order_by()
    return {row["video__batch"]: row["n"] for row in rows}


def at_script_gate(batch: Batch) -> QuerySet[Video]:
    """Videos whose script waits to be read."""
    if not batch.batch_settings.script_gate:
        return Video.objects.none()
    return Video.objects.filter(
        batch=batch, state=Video.State.GATE, script_released_at=None, cancelled_at=None
    ).order_by("position")


def at_render_gate(batch: Batch) -> QuerySet[Video]:
    waiting = Video.objects.filter(batch=batch, state=Video.State.GATE, cancelled_at=None).order_by("position")
    return waiting.exclude(script_released_at=None) if batch.batch_settings.script_gate else waiting


def with_scenes(videos: QuerySet[Video]) -> QuerySet[Video]:
    live = Scene.objects.filter(retired_at=None).order_by("position")
    return videos.prefetch_related(Prefetch("scenes", queryset=live, to_attr="live_scenes"))
