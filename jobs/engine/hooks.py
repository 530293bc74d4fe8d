"""What a webhook does here: the job it is about becomes due, so that the vendor is asked. Losing one costs latency."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.dispatch import receiver

from jobs.models import Attempt, Step
from jobs.states import State
from providers import callbacks, registry
from providers.models import Lane, WebhookEvent
from providers.signals import webhook_arrived

if TYPE_CHECKING:
    from .calls import Answer

KEPT = timedelta(days=7)  # so long a webhook that comes again is known


@receiver(webhook_arrived)
def make_due(event: WebhookEvent, **kwargs: Any) -> None:
    """Of a job that is not under way, or not known, nothing changes."""
    about = Q(tag=event.tag) if event.tag else Q(external_id=event.external_id)
    attempt = Attempt.objects.filter(about, provider=event.provider_id, ended_at=None).only("step", "lane").first()
    if attempt is None:
        return
    due = Step.objects.filter(pk=attempt.step_id, state=State.RUNNING, not_before__gt=event.received_at)
    due.update(not_before=event.received_at)
    Lane.objects.filter(pk=attempt.lane_id, hooks_missed__gt=0).update(hooks_missed=0)


def is_expected(slug: str) -> bool:
    adapter = registry.all_adapters().get(slug)
    return adapter is not None and callbacks.expected(adapter)


def came_before(answers: Sequence[Answer]) -> set[int]:
    """Attempts whose webhook was here before the answer to their submit."""
    accepted = [answer for answer in answers if answer.accepted_id and not (answer.links or answer.files)]
    taken = [answer for answer in accepted if is_expected(answer.ticket.slug)]
    if not taken:
        return set()
    of_job = {(answer.ticket.slug, answer.accepted_id): answer.ticket.attempt_id for answer in taken}
    of_tag = {(answer.ticket.slug, answer.ticket.request.tag): answer.ticket.attempt_id for answer in taken}
    events = WebhookEvent.objects.filter(
        Q(external_id__in=[job for _, job in of_job]) | Q(tag__in=[tag for _, tag in of_tag])
    )
    found = set()
    for slug, job, tag in events.values_list("provider__slug", "external_id", "tag"):
        found |= {of_job.get((slug, job), 0), of_tag.get((slug, tag), 0)}
    return found - {0}


def forget_old(now: datetime) -> None:
    WebhookEvent.objects.filter(received_at__lt=now - KEPT).delete()
