"""Settings with which webhooks would never arrive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.http.request import validate_host

HERE = {"localhost", "127.0.0.1", "::1"}


@register(Tags.urls)
def vendors_can_call(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if not settings.PUBLIC_URL:
        return []
    parts = urlsplit(settings.PUBLIC_URL)
    host, problems = parts.hostname or "", []
    if not validate_host(host, settings.ALLOWED_HOSTS):
        problems.append(
            Warning(
                f"VIDBATCH_PUBLIC_URL is {settings.PUBLIC_URL}, and VIDBATCH_HOSTS does not name {host}: "
                "webhooks are turned away.",
                hint=f"Add {host} to VIDBATCH_HOSTS.",
                id="providers.W001",
            )
        )
    if parts.scheme != "https" and host not in HERE:
        problems.append(
            Warning(
                f"VIDBATCH_PUBLIC_URL is {settings.PUBLIC_URL}: vendors call back by https only, or should.",
                hint="Put a proxy that speaks https before the site (docs/deploying.md) and write its address.",
                id="providers.W002",
            )
        )
    return list(problems)
