"""What was foreseen of a batch when it was launched, to be compared with what came."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from .content import Batch


class Forecast(models.Model):
    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, related_name="forecast")
    made_at = models.DateTimeField(default=timezone.now)
    p10_s = models.FloatField()  # seconds from the launch; in one of ten cases sooner
    p50_s = models.FloatField()
    p90_s = models.FloatField()
    first_s = models.FloatField()  # the first video
    micro = models.BigIntegerField()
    told = models.JSONField()  # jobs.forecast.Forecast, of the strategy chosen
    market = models.JSONField()  # lanes, caps and quotas as they were, for the lower bound afterwards

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"Forecast of {self.batch}"
