"""What people decided. Append only; an undone review keeps its row."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from jobs.states import Verdict

from .content import Asset
from .work import Attempt, Step


class Review(models.Model):
    """A person's verdict on an asset."""

    class Reason(models.TextChoices):
        STYLE = "style", "Off style"
        MOTION = "motion", "Odd motion or anatomy"
        VOICE = "voice", "Voice problem"
        CONTENT = "content", "Wrong content"

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="reviews")
    verdict = models.CharField(
        max_length=10, choices=[(v.value, v.label) for v in (Verdict.APPROVED, Verdict.SENT_BACK)]
    )
    reason = models.CharField(max_length=10, choices=Reason, blank=True)
    note = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    at = models.DateTimeField(default=timezone.now)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{self.verdict} by {self.by}"


class Decision(models.Model):
    """What a person (`by`), or a policy, chose where money or risk is concerned: a lost answer, a release, a cap."""

    class Kind(models.TextChoices):
        TRY_AGAIN = "try_again", "It did not happen: try again"
        IT_HAPPENED = "it_happened", "It did: booked as paid"
        GIVE_UP = "give_up", "Given up"
        ACCEPT_DUPLICATE = "accept_duplicate", "Sent again within the risk allowance"
        BILLED = "billed", "At risk: it was billed"
        NOT_BILLED = "not_billed", "At risk: it was not billed"
        ALLOWANCE = "allowance", "Risk allowance set"
        RELEASE = "release", "Released"

    kind = models.CharField(max_length=16, choices=Kind)
    step = models.ForeignKey(Step, on_delete=models.CASCADE, null=True, related_name="decisions")
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, null=True, related_name="decisions")
    amount_micro = models.BigIntegerField(default=0)
    note = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{self.kind} by {self.by or 'policy'}"
