"""What the whole site has decided once, and what is done now and then by whichever drive comes first."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q


class RiskPolicy(models.Model):
    """How much may be paid twice without asking, where nobody can know whether a call was made. One row at most."""

    share_percent = models.PositiveSmallIntegerField(
        "share of a batch's cap (%)", default=1, help_text="0: always ask a person."
    )
    without_cap_micro = models.BigIntegerField(
        "for a batch without a cap", default=500_000, help_text="Millionths of a dollar: 500000 = $0.50."
    )
    per_call_micro = models.BigIntegerField(
        "at most for one call", default=100_000, help_text="Millionths of a dollar: 100000 = $0.10. 0: always ask."
    )

    class Meta:
        verbose_name = verbose_name_plural = "risk allowance"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(share_percent__lte=100, without_cap_micro__gte=0, per_call_micro__gte=0),
                name="risk_policy_is_sane",
            ),
        ]

    def __str__(self) -> str:
        return "Risk allowance"

    @classmethod
    def current(cls) -> RiskPolicy:
        return cls.objects.order_by("pk").first() or cls()


class ClockJump(models.Model):
    """A drive saw that the clock of its machine went ahead by so much, or (negative) back. `at` is by that clock."""

    at = models.DateTimeField()
    by_s = models.FloatField()

    def __str__(self) -> str:
        return f"{self.by_s:+g} s at {self.at}"


class Chore(models.Model):
    """Something done every so often for all: whoever moves `done_at` does it."""

    name = models.CharField(max_length=100, unique=True)
    done_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.done_at}"

    @classmethod
    def take(cls, name: str, every: timedelta, now: datetime) -> bool:
        """True for one of all that ask, once in so long; the first time that it is asked for at all, at once."""
        chore, is_new = cls.objects.get_or_create(name=name, defaults={"done_at": now})
        if is_new:
            return True
        return bool(cls.objects.filter(pk=chore.pk, done_at__lte=now - every).update(done_at=now))
