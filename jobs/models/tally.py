"""What was made, missed, checked and spent on one day: counted once, so that metrics need not read every attempt."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from jobs.states import Stage
from providers.models import Provider

from .content import Batch


class Tally(models.Model):
    class What(models.TextChoices):
        MADE = "made", "Calls that brought a result"  # key: class of its duration; amount: milliseconds
        MISSED = "missed", "Calls that brought none"  # key: the cause
        SPENT = "spent", "Money spent"  # amount: micro-units
        CHECKED = "checked", "Files judged"  # key: first or later try, passed or failed
        OBJECTED = "objected", "Checks that failed"  # key: name of the check

    day = models.PositiveIntegerField()  # date.toordinal() in UTC: a number, so that any database can group by spans
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="+")
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="+")
    stage = models.CharField(max_length=20, choices=Stage, blank=True)
    what = models.CharField(max_length=8, choices=What)
    key = models.CharField(max_length=60, blank=True)
    count = models.PositiveIntegerField(default=0)
    amount = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "tallies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["day", "batch", "provider", "stage", "what", "key"], name="tally_once"),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.key} on day {self.day}: {self.count}"


class TalliedDay(models.Model):
    """A day that is over and counted; counted again when what was undecided then has been decided."""

    day = models.PositiveIntegerField(primary_key=True)
    undecided = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"day {self.day}"
