"""Lost answers that wait for a person, in groups of one cause, and money that was left at risk for others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Min, QuerySet, Sum
from django.utils import timezone

from jobs.decisions import AT_RISK_BY
from jobs.models import Attempt, Batch, Step
from jobs.routing import CAPABILITY_OF
from jobs.states import Reason, Stage, State
from providers import registry
from providers.base import Adapter

SHOWN_AT_RISK = 50
CAUSE = ("step__stage", "provider", "step__message")  # in one group: one look at the vendor answers for all


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One lost answer."""

    attempt: Attempt
    facts: list[tuple[str, str]]  # the request as sent
    prompt: str
    where: str  # a sentence: what to look for, and where
    can_follow: bool  # the vendor has jobs with ids

    @property
    def step(self) -> Step:
        return self.attempt.step


@dataclass(slots=True, kw_only=True)
class Group:
    """All lost answers of one cause: `count` and `micro` of all, `questions` those on this page."""

    stage: str
    provider: str
    message: str
    count: int
    micro: int
    step_id: int  # one of them: its likes are meant where all are
    questions: list[Question] = field(default_factory=list)

    @property
    def what(self) -> str:
        return f"{self.count} {Stage(self.stage).label.lower()}" + ("s" if self.count > 1 else "")


def questions(user: AbstractBaseUser | AnonymousUser, *, batch: int | None = None) -> QuerySet[Attempt]:
    """Attempts whose steps wait for a decision that the person may see; the step's last one is the question."""
    mine = Batch.objects.for_user(user)
    return questions_of(mine.filter(pk=batch) if batch else mine)


def questions_of(batches: QuerySet[Batch] | Sequence[Batch]) -> QuerySet[Attempt]:
    lost = Attempt.objects.filter(
        outcome=Attempt.Outcome.UNKNOWN,
        step__state=State.ATTENTION,
        step__reason=Reason.DECISION,
        step__batch__in=batches,
    )
    return lost.exclude(decisions__kind__in=AT_RISK_BY)


def like(found: QuerySet[Attempt], step_id: int) -> QuerySet[Attempt]:
    """Those of the questions that have the cause of this step's."""
    one = found.filter(step=step_id).values(*CAUSE).first()
    return found.filter(**one) if one else found.none()


def totals(found: QuerySet[Attempt]) -> dict[str, int]:
    """How many there are, and what they may have cost."""
    return found.aggregate(count=Count("pk"), micro=Sum("reserved_micro", default=0))


def causes(found: QuerySet[Attempt]) -> list[Group]:
    """Groups without their questions, in one query."""
    rows = found.order_by().values(*CAUSE, "provider__label")
    counted = rows.annotate(n=Count("pk"), micro=Sum("reserved_micro"), one=Min("step"))
    return [
        Group(
            stage=row["step__stage"],
            provider=row["provider__label"],
            message=row["step__message"],
            count=row["n"],
            micro=row["micro"],
            step_id=row["one"],
        )
        for row in counted.order_by(*CAUSE)
    ]


def in_order(found: QuerySet[Attempt]) -> QuerySet[Attempt]:
    beside = ("step__video", "step__scene", "step__batch", "provider", "offer")
    return found.select_related(*beside).order_by(*CAUSE, "pk")


def groups(found: QuerySet[Attempt], shown: Sequence[Attempt]) -> list[Group]:
    """The causes of those on this page, with their questions."""
    of_all = {(group.stage, group.provider, group.message): group for group in causes(found)}
    made = []
    for key, attempts in groupby(shown, lambda a: (a.step.stage, a.provider.label, a.step.message)):
        if group := of_all.get(key):  # else the last of them was decided a moment ago
            group.questions = [_question(attempt) for attempt in attempts]
            made.append(group)
    return made


def _question(attempt: Attempt) -> Question:
    adapter = registry.all_adapters().get(attempt.provider.slug)
    return Question(
        attempt=attempt,
        facts=_facts(attempt.request),
        prompt=str(attempt.request.get("prompt", "")),
        where=where_to_look(attempt, adapter),
        can_follow=adapter is not None and adapter.poll is not Adapter.poll,
    )


def _facts(sent: dict[str, Any]) -> list[tuple[str, str]]:
    size = f"{sent['width']}×{sent['height']}" if sent.get("width") and sent.get("height") else ""
    seconds = sent.get("seconds") or 0
    facts = [
        ("Model", sent.get("offer", "")),
        ("Size", size),
        ("Length", f"{seconds:g} s" if seconds else ""),
        ("Voice", sent.get("voice", "")),
        ("Seed", str(sent["seed"]) if sent.get("seed") else ""),
        ("Files sent along", str(len(sent.get("inputs", ())) or "")),
    ]
    return [(name, str(value)) for name, value in facts if value]


def where_to_look(attempt: Attempt, adapter: type[Adapter] | None) -> str:
    """A sentence that a person can follow at the vendor."""
    place = (adapter and adapter.where_to_look) or f"Open the history of your account at {attempt.provider}"
    at = timezone.localtime(attempt.on_wire_at or attempt.sent_at)
    what = CAPABILITY_OF.get(attempt.step.stage, attempt.capability)
    return f"{place}. Look for a {what} made on {at:%d %B} at {at:%H:%M:%S} or a little later, with this prompt."


def left_at_risk(user: AbstractBaseUser | AnonymousUser, *, batch: int | None = None) -> QuerySet[Attempt]:
    """Attempts that a decision left behind with their money at risk: nobody has said yet what became of it."""
    mine = Batch.objects.for_user(user)
    taken = Attempt.objects.filter(decisions__kind__in=AT_RISK_BY, outcome=Attempt.Outcome.UNKNOWN)
    found = taken.filter(step__batch__in=mine.filter(pk=batch) if batch else mine)
    return found.select_related("step__video", "step__batch", "provider").order_by("-pk").distinct()
