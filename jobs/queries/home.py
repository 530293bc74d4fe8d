"""What the overview shows: what needs the person, batch by batch, what runs, and the first steps of a new place."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from jobs.models import Batch, Notice, Project, Review, Step, Video
from jobs.queries.batches import Cause, causes_of, flagged_by_batch
from jobs.states import Reason, State
from providers.models import Provider

RECENT = 5
SHOWN = 10
NOTICE_LIFE = timedelta(days=1)


@dataclass(slots=True, kw_only=True)
class Need:
    """All that one batch wants from people."""

    batch: Batch
    flagged: int = 0
    scripts: int = 0
    renders: int = 0
    causes: list[Cause] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.flagged + self.scripts + self.renders + sum(cause.count for cause in self.causes)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStep:
    words: str
    help: str
    done: bool


def open_batches(user: AbstractBaseUser | AnonymousUser) -> list[Batch]:
    mine = Batch.objects.for_user(user).select_related("project", "created_by")
    return list(mine.open().order_by("-priority", "-pk"))


def undecided_batches(user: AbstractBaseUser | AnonymousUser) -> list[Batch]:
    """Those that are over, but for a lost answer that nobody has decided about."""
    lost = Step.objects.filter(batch=OuterRef("pk"), state=State.ATTENTION, reason=Reason.DECISION)
    mine = Batch.objects.for_user(user).select_related("project", "created_by")
    return list(mine.exclude(finished_at=None, cancelled_at=None).filter(Exists(lost)))


def recent_batches(user: AbstractBaseUser | AnonymousUser) -> list[Batch]:
    mine = Batch.objects.for_user(user).select_related("project", "created_by")
    return list(mine.exclude(finished_at=None, cancelled_at=None)[:RECENT])


def needs_of(batches: Collection[Batch]) -> list[Need]:
    """By batch, the one with most first."""
    ids = [batch.pk for batch in batches]
    needs = {batch.pk: Need(batch=batch) for batch in batches}
    for batch_id, count in flagged_by_batch(ids).items():
        needs[batch_id].flagged = count
    for cause in causes_of(ids):
        needs[cause.batch_id].causes.append(cause)
    at_gate = Video.objects.filter(batch__in=ids, state=Video.State.GATE, cancelled_at=None)
    unread = Count("pk", filter=Q(script_released_at=None))
    for row in at_gate.values("batch").annotate(n=Count("pk"), unread=unread).order_by():
        need = needs[row["batch"]]
        need.scripts = row["unread"] if need.batch.batch_settings.script_gate else 0
        need.renders = row["n"] - need.scripts
    return sorted((need for need in needs.values() if need.count), key=lambda need: -need.count)


def first_steps(user: AbstractBaseUser | AnonymousUser) -> list[FirstStep]:
    """Ticks itself off."""
    videos = Video.objects.for_user(user)
    return [
        FirstStep(
            words="Choose who makes it",
            help="The studio on this machine is ready: it needs no key and costs nothing.",
            done=Provider.objects.filter(enabled=True, offers__enabled=True).exists(),
        ),
        FirstStep(
            words="Upload a list of topics",
            help="Paste it, or take a CSV or XLSX. You see a check of every row before anything is made.",
            done=Batch.objects.for_user(user).exists(),
        ),
        FirstStep(
            words="Let a first video finish",
            help="Watch it on the page of the batch. It goes on when you close the browser.",
            done=videos.filter(state=Video.State.DONE).exists(),
        ),
        FirstStep(
            words="Review what was flagged",
            help="Approve a file, or send it back with a reason; only that part is made again.",
            done=Review.objects.filter(asset__video__in=videos).exists(),
        ),
    ]


def sample_project(user: AbstractBaseUser | AnonymousUser) -> Project | None:
    return Project.objects.for_user(user).filter(is_sample=True).first()


def first_project(user: AbstractBaseUser | AnonymousUser) -> Project | None:
    return Project.objects.for_user(user).order_by("-pk").first()


def last_notice() -> Notice | None:
    """What the engine did by itself in the last day."""
    return Notice.objects.filter(at__gt=timezone.now() - NOTICE_LIFE).first()
