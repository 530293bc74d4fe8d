"""The two kinds of drives, and how they are asked to stop: all that the supervisor needs of the engine."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

GENERATION, MEDIA = settings.ROLES
MEDIA_SLUG = "this_machine"  # the provider of what this installation does itself


def stop_flag(role: str) -> Path:
    """The supervisor makes this file to say: start nothing new, let paid calls end, then end."""
    return Path(settings.DATA_DIR) / f"stop-{role}"
