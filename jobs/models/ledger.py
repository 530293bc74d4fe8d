"""Money: integer micro-units of one currency. Entries are append only; a budget's sums are a cache of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
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

    class Period(models.TextChoices):
        ALL = "all", "For ever"
        MONTH = "month", "A month"
        DAY = "day", "A day"

    scope = models.CharField(max_length=8, choices=Scope)
    period = models.CharField(
        max_length=5,
        choices=Period,
        default=Period.ALL,
        db_default=Period.ALL.value,  # for code of the release before
        help_text="What is spent counts from the start of the day or month, in the time zone of the site. "
        "What is reserved or at risk always counts.",
    )
    period_start = models.DateTimeField(null=True, editable=False)  # of what `spent_micro` counts
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
        each = f" each {self.period}" if self.period != self.Period.ALL else ""
        return f"Cap for {self.project or self.batch or self.provider or 'everything'}{each}"

    def clean(self) -> None:
        if self.cap_micro is not None and self.cap_micro < 0:
            raise ValidationError({"cap_micro": "A cap is 0 or more. 0 lets nothing through that costs."})
        given = {name for name in ("project", "batch", "provider") if getattr(self, f"{name}_id") is not None}
        wanted = {self.scope} - {self.Scope.SITE}
        if missing := wanted - given:
            raise ValidationError({missing.pop(): "Say which one the cap is for."})
        if extra := given - wanted:
            raise ValidationError({extra.pop(): f"A cap for “{self.get_scope_display()}” names none: leave it empty."})

    @property
    def room_micro(self) -> int:
        return self.cap_micro - self.reserved_micro - self.at_risk_micro - self.spent_micro

    def covers(self, *, project_id: int | None, batch_id: int | None, provider_id: int) -> bool:
        """A job that nobody ordered has neither project nor batch."""
        own: dict[str, tuple[int | None, int | None]] = {
            self.Scope.PROJECT: (self.project_id, project_id),
            self.Scope.BATCH: (self.batch_id, batch_id),
            self.Scope.PROVIDER: (self.provider_id, provider_id),
        }
        mine, theirs = own.get(self.scope, (None, None))
        return mine == theirs

    def counts_from(self, now: datetime) -> datetime | None:
        """The start of the day or month, in the time zone of the site; None: since ever."""
        if self.period == self.Period.ALL:
            return None
        here = timezone.localtime(now, timezone.get_default_timezone())
        day = here.replace(hour=0, minute=0, second=0, microsecond=0)
        return (day.replace(day=1) if self.period == self.Period.MONTH else day).astimezone(UTC)


class LedgerEntry(models.Model):
    """One move of money. The three deltas are what it does to reserved, at risk and spent."""

    class Kind(models.TextChoices):
        RESERVE = "reserve", "Reserved"
        RELEASE = "release", "Released"
        SETTLE = "settle", "Settled"
        AT_RISK = "at_risk", "At risk"
        RESOLVE = "resolve", "Resolved"
        OVERRUN = "overrun", "Above the maximum price"
        ORPHAN = "orphan", "A job that no step waits for"
        TRIAL = "trial", "A call to try a provider"
        ADJUST = "adjust", "Adjusted by a person"

    kind = models.CharField(max_length=8, choices=Kind)
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, null=True, related_name="entries")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, null=True)
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, null=True, related_name="entries")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT)
    reserved_micro = models.BigIntegerField(default=0)
    at_risk_micro = models.BigIntegerField(default=0)
    spent_micro = models.BigIntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)
    note = models.CharField(max_length=300, blank=True)
    external_id = models.CharField(max_length=200, blank=True, default="", db_default="")  # of an orphan, a trial
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
            models.UniqueConstraint(
                fields=["provider", "external_id"],
                condition=Q(kind__in=["orphan", "trial"]) & ~Q(external_id=""),
                name="job_of_no_step_booked_once",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["at"], name="ledger_by_day")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
