"""Keys and base URLs of vendors: the only place besides settings that reads the environment. Never the database."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from .base import Adapter


def key_of(adapter: type[Adapter]) -> str:
    """The key an adapter declares, "" when it is not set. NAME_FILE names a mounted secret file instead."""
    if not adapter.key_env:
        return ""
    path = os.environ.get(f"{adapter.key_env}_FILE", "")
    if not path:
        return os.environ.get(adapter.key_env, "")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{adapter.key_env}_FILE names {path}, which cannot be read ({error.strerror}). "
            f"Correct the path or its permissions, or set {adapter.key_env} itself."
        ) from error


def url_of(adapter: type[Adapter]) -> str:
    """The adapter's own URL, or a gateway's by VIDBATCH_URL_<SLUG>."""
    return os.environ.get(f"VIDBATCH_URL_{adapter.slug.upper()}", "") or adapter.base_url
