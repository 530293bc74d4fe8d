"""Money: integer micro-units of one currency. Entries are append only; a budget's sums are a cache of them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from providers.models import Provider

from .content import Batch, Project
from .work import Attempt


class Budget(models.Model):
    """A cap on what may be spent in a scope. Nothing is admitted above it; what is gone is always booked."""

    class Scope(models.TextChoices):
        SITE = "site", "Everything"
        PROJECT = "project", "One project"
        BATCH = "batch", "One batch"
        PROVIDER = "provider", "One provider"

    scope = models.CharField(max_length=8, choices=Scope)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, null=True, blank=True, related_name="budgets")
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, null=True, blank=True)
    cap_micro = models.BigIntegerField(help_text="Millionths of a dollar: 5000000 = $5.00.")
    reserved_micro = models.BigIntegerField(default=0, editable=False)
    at_risk_micro = models.BigIntegerField(default=0, editable=False)
    spent_micro = models.BigIntegerField(default=0, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(reserved_micro__gte=0, at_risk_micro__gte=0), name="budget_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(scope="site", project=None, batch=None, provider=None)
                | Q(scope="project", project__isnull=False, batch=None, provider=None)
                | Q(scope="batch", project=None, batch__isnull=False, provider=None)
                | Q(scope="provider", project=None, batch=None, provider__isnull=False),
                name="budget_scope_is_named",
            ),
        ]

    def __str__(self) -> str:
        return f"Cap for {self.project or self.batch or self.provider or 'everything'}"

    @property
    def room_micro(self) -> int:
        return self.cap_micro - self.reserved_micro - self.at_risk_micro - self.spent_micro

    def covers(self, *, project_id: int, batch_id: int, provider_id: int) -> bool:
        return (
            self.scope == self.Scope.SITE
            or self.project_id == project_id
            or self.batch_id == batch_id
            or self.provider_id == provider_id
        )


class LedgerEntry(models.Model):
    """One move of money. The three deltas are what it does to reserved, at risk and spent."""

    class Kind(models.TextChoices):
        RESERVE = "reserve", "Reserved"
        RELEASE = "release", "Released"
        SETTLE = "settle", "Settled"
        AT_RISK = "at_risk", "At risk"
        RESOLVE = "resolve", "Resolved"
        OVERRUN = "overrun", "Above the maximum price"
        ADJUST = "adjust", "Adjusted by a person"

    kind = models.CharField(max_length=8, choices=Kind)
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, null=True, related_name="entries")
    project = models.ForeignKey(Project, on_delete=models.PROTECT)
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="entries")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT)
    reserved_micro = models.BigIntegerField(default=0)
    at_risk_micro = models.BigIntegerField(default=0)
    spent_micro = models.BigIntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)
    note = models.CharField(max_length=300, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)

    class Meta:
        ordering: ClassVar = ["pk"]
        verbose_name_plural = "ledger entries"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["attempt"],
                condition=Q(kind="reserve"),
                name="one_reserve_an_attempt",
            ),
            models.UniqueConstraint(
                fields=["attempt"],
                condition=Q(kind__in=["release", "settle"]),
                name="one_closing_an_attempt",
            ),
            models.UniqueConstraint(
                fields=["attempt"],
                condition=Q(kind="at_risk"),
                name="at_risk_once_an_attempt",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["at"], name="ledger_by_day")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
