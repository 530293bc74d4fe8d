"""A call that tries a provider belongs to no step; what it cost stands in the ledger and counts against caps."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError
from django.dispatch import receiver
from django.utils import timezone

from jobs import ledger
from jobs.transactions import atomically
from providers.models import Provider
from providers.signals import provider_tried

if TYPE_CHECKING:
    from providers.trying import Trial

log = logging.getLogger(__name__)


@receiver(provider_tried)
def book(provider: Provider, trial: Trial, **kwargs: Any) -> None:
    """Once: where the vendor lists its jobs, a sweep may have found it before."""
    is_guessed = trial.micro is None and trial.booked_micro
    move = ledger.Move(
        kind=ledger.Kind.TRIAL,
        attempt=ledger.Charge(None, provider.pk, 0),
        batch=None,
        spent_micro=trial.booked_micro,
        note=f"{trial.offer}: {'the most that it may have cost; ' if is_guessed else ''}{trial.said}",
        external_id=trial.job[:200],
    )
    try:
        atomically(ledger.write)([move], timezone.now())
    except IntegrityError:
        log.warning("%s: the job %s stands in the ledger already", provider, trial.job)
