"""From checked topics to a running batch: one transaction, once only."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs import strategies
from jobs.advance import AT_ONCE, advance
from jobs.models import Batch, Budget, Project, Video
from jobs.offers import check_launch, in_time
from jobs.queries.forecasting import keep_forecast
from jobs.settings_types import BatchSettings, TopicRow
from jobs.transactions import atomically


@atomically
def create_batch(
    project: Project,
    *,
    name: str,
    topics: Sequence[TopicRow],
    settings: BatchSettings,
    by: User | None,
    token: str = "",
    priority: int = Batch.Priority.NORMAL,
    finish_by: datetime | None = None,
    cap_micro: int | None = None,
    now: datetime | None = None,
) -> Batch:
    """The batch with its videos and their first steps. The same token again gives the same batch, nothing new.

    Raises LaunchRefused when it names models that cannot be used. With a deadline too near for bulk it does without.
    """
    now = now or timezone.now()
    if token and (made := Batch.objects.filter(token=token).first()):
        return made
    settings = in_time(settings, finish_by, now)
    check_launch(settings, now.date())
    batch, is_new = Batch.objects.get_or_create(
        token=token or secrets.token_urlsafe(24),
        defaults={
            "project": project,
            "name": name,
            "settings": settings.as_json(),
            "strategy": settings.strategy,
            "priority": priority,
            "finish_by": finish_by,
            "width": strategies.width_of(settings),
            "in_bulk": bool(settings.bulk),
            "created_by": by,
            "created_at": now,
        },
    )
    if not is_new:
        return batch
    if cap_micro is not None:
        Budget.objects.create(scope=Budget.Scope.BATCH, batch=batch, cap_micro=cap_micro)
    Video.objects.bulk_create(
        (
            Video(
                batch=batch,
                position=position,
                topic=row.topic,
                notes=row.notes,
                overrides=dict(row.overrides),
                created_at=now,
                needs_advance=True,
            )
            for position, row in enumerate(topics, start=1)
        ),
        batch_size=500,
    )
    first = Video.objects.filter(batch=batch).order_by("position").values_list("pk", flat=True)[:AT_ONCE]
    advance(list(first), now)  # the rest is marked, and advanced by the drive
    # Kept to be compared with what comes: after the transaction, and a launch never fails for it.
    transaction.on_commit(lambda: keep_forecast(batch), robust=True)
    return batch
