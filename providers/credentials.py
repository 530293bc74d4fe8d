"""Keys and base URLs of vendors: the only place besides settings that reads the environment. Never the database."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from .base import Adapter

log = logging.getLogger(__name__)


def key_of(adapter: type[Adapter]) -> str:
    """The key an adapter declares, "" when it is not set."""
    return _secret(adapter.key_env)


def is_set(adapter: type[Adapter]) -> bool:
    """Whether it can be used: its key is there, or it needs none."""
    is_own = adapter.own_servers and url_of(adapter) != adapter.base_url
    if adapter.local or not (adapter.key_env and adapter.needs_key) or is_own:
        return True
    try:
        return bool(key_of(adapter))
    except ImproperlyConfigured as error:  # one vendor's trouble: the others go on
        log.warning("%s cannot be used: %s", adapter.label, error)
        return False


def webhook_secrets_of(adapter: type[Adapter]) -> list[str]:
    """The secrets of its webhooks, the old and the new one while they are changed: with a space in between."""
    return _secret(adapter.webhook_secret_env).split()


def _secret(name: str) -> str:
    """NAME_FILE names a mounted secret file instead."""
    if not name:
        return ""
    path = os.environ.get(f"{name}_FILE", "")
    if not path:
        return os.environ.get(name, "")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}_FILE names {path}, which cannot be read ({error.strerror}). "
            f"Correct the path or its permissions, or set {name} itself."
        ) from error


def url_of(adapter: type[Adapter]) -> str:
    """The adapter's own URL, or a gateway's by VIDBATCH_URL_<SLUG>."""
    return os.environ.get(f"VIDBATCH_URL_{adapter.slug.upper()}", "") or adapter.base_url
