from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from providers.sync import sync_providers


class Command(BaseCommand):
    help = "Makes rows of what adapters declare and the catalogue says. What was edited stays; differences are told."

    def handle(self, *args: Any, **options: Any) -> None:
        synced = sync_providers()
        lines = [f"added {what}" for what in synced.added] + [f"changed {what}" for what in synced.changed]
        self.stdout.write("\n".join(lines) or "Nothing was missing.")
        if synced.differences:
            self.stdout.write("\nEdited here, and left as it is:")
            self.stdout.write("\n".join(f"  {difference}" for difference in synced.differences))
