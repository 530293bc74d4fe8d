from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from providers.sync import sync_providers


class Command(BaseCommand):
    help = "Adds the rows that adapters declare and the database lacks; edited ones stay as they are."

    def handle(self, *args: Any, **options: Any) -> None:
        added = sync_providers()
        self.stdout.write("\n".join(f"added {what}" for what in added) or "Nothing was missing.")
