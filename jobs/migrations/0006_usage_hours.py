from __future__ import annotations

from datetime import UTC

from django.db import migrations
from django.db.models import Count, Sum
from django.db.models.functions import TruncHour

UNITS = ("images", "tokens", "characters")


def count_hours(apps, schema_editor):
    """What the attempts of each hour count for; from here on it is written with them."""
    attempts = apps.get_model("jobs", "Attempt").objects.exclude(outcome="not_sent")
    hours = attempts.annotate(hour=TruncHour("sent_at", tzinfo=UTC)).values("provider_id", "capability", "offer_id", "hour")
    usage = apps.get_model("providers", "Usage")
    usage.objects.all().delete()
    usage.objects.bulk_create(
        usage(**row) for row in hours.annotate(requests=Count("pk"), **{u: Sum(u) for u in UNITS}).order_by()
    )


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0005_reconciliation"),
        ("providers", "0002_limits"),
    ]

    operations = [migrations.RunPython(count_hours, migrations.RunPython.noop)]
