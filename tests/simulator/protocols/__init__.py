"""Real vendors' protocols: every module here with a `Protocol` in it is one. They are found, not listed."""

from __future__ import annotations

import importlib
import pkgutil

from .. import settings
from .base import Protocol

ALL: dict[str, Protocol] = {}


def add(protocol: type[Protocol]) -> None:
    ALL[protocol.slug] = protocol()
    settings.BY_VENDOR[protocol.slug] = protocol.settings


for _module in pkgutil.iter_modules(__path__):
    for _thing in vars(importlib.import_module(f"{__name__}.{_module.name}")).values():
        if isinstance(_thing, type) and issubclass(_thing, Protocol) and hasattr(_thing, "slug"):
            add(_thing)
