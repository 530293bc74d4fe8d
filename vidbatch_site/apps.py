from __future__ import annotations

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """An app for its commands and checks; it has no models."""

    name = "vidbatch_site"
