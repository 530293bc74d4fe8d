from __future__ import annotations

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"

    def ready(self) -> None:
        from . import (
            checks,  # noqa: F401  # registers them; it needs the settings
            trials,  # noqa: F401  # listens to calls that try a provider
        )
        from .engine import hooks  # noqa: F401  # listens to webhooks
