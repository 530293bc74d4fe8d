"""What a webhook does here: the job it is about becomes due, so that the vendor is asked. Losing one costs latency."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.dispatch import receiver

from jobs.advance import advance
from jobs.models import Attempt, Step
from jobs.states import Reason, State
from jobs.transactions import atomically
from providers import callbacks, registry
from providers.models import Lane, WebhookEvent
from providers.signals import webhook_arrived

from .rows import move

if TYPE_CHECKING:
    from .calls import Answer

KEPT = timedelta(days=7)  # so long a webhook that comes again is known


@receiver(webhook_arrived)
def make_due(event: WebhookEvent, **kwargs: Any) -> None:
    """Nothing changes where the job is not under way, or not known. About a lost answer the vendor is asked at once."""
    named = [Q(**{name: value}) for name in ("tag", "external_id") if (value := getattr(event, name))]
    attempts = Attempt.objects.filter(reduce(or_, named), provider=event.provider_id)
    attempt = attempts.filter(ended_at=None).only("step", "lane").first()
    if attempt is None:
        if event.tag and event.external_id:
            _look_again(event)
        return
    asked = (State.RUNNING, State.UNKNOWN)
    due = Step.objects.filter(pk=attempt.step_id, state__in=asked, not_before__gt=event.received_at)
    due.update(not_before=event.received_at)
    Lane.objects.filter(pk=attempt.lane_id, hooks_missed__gt=0).update(hooks_missed=0)


@atomically
def _look_again(event: WebhookEvent) -> None:
    """A lost answer waits for a person, and now the vendor names its job: that can be asked about."""
    lost = Attempt.objects.filter(tag=event.tag, provider=event.provider_id, outcome=Attempt.Outcome.UNKNOWN)
    attempt = lost.select_related("step").first()
    if attempt is None or Attempt.objects.filter(step=attempt.step_id, no__gt=attempt.no).exists():
        return
    waiting = Step.objects.filter(pk=attempt.step_id, state=State.ATTENTION, reason=Reason.DECISION)
    if move(waiting, frm=State.ATTENTION, to=State.UNKNOWN, reason="", message="", not_before=event.received_at):
        Attempt.objects.filter(pk=attempt.pk).update(ended_at=None)
        advance([attempt.step.video_id], event.received_at)


def is_expected(slug: str) -> bool:
    adapter = registry.all_adapters().get(slug)
    return adapter is not None and callbacks.expected(adapter)


def called_for(attempt: Attempt) -> bool:
    """A webhook came by its tag: there is such a job, whatever a listing shows."""
    return WebhookEvent.objects.filter(provider=attempt.provider_id, tag=attempt.tag).exists()


def job_named(attempt: Attempt) -> str:
    """The job that a webhook names by the attempt's tag; "" where none does."""
    events = WebhookEvent.objects.filter(provider=attempt.provider_id, tag=attempt.tag).exclude(external_id="")
    return events.order_by("pk").values_list("external_id", flat=True).first() or ""


def make_due_what_was_named(answers: Sequence[Answer], now: datetime) -> None:
    """Jobs whose webhook was here before the answer to their submit was booked: nobody knew them then."""
    if named := _named_already(answers):
        Step.objects.filter(pk__in=named, state=State.RUNNING, not_before__gt=now).update(not_before=now)


def _named_already(answers: Sequence[Answer]) -> set[int]:
    accepted = [answer for answer in answers if answer.accepted_id and not (answer.links or answer.files)]
    taken = [answer for answer in accepted if is_expected(answer.ticket.slug)]
    if not taken:
        return set()
    of_job = {(answer.ticket.slug, answer.accepted_id): answer.ticket.step_id for answer in taken}
    of_tag = {(answer.ticket.slug, answer.ticket.request.tag): answer.ticket.step_id for answer in taken}
    events = WebhookEvent.objects.filter(
        Q(external_id__in=[job for _, job in of_job]) | Q(tag__in=[tag for _, tag in of_tag])
    )
    found = set()
    for slug, job, tag in events.values_list("provider__slug", "external_id", "tag"):
        found |= {of_job.get((slug, job), 0), of_tag.get((slug, tag), 0)}
    return found - {0}


def forget_old(now: datetime) -> None:
    WebhookEvent.objects.filter(received_at__lt=now - KEPT).delete()
