"""Finds the adapters: every module and package in providers/adapters/ is one vendor."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from . import adapters
from .base import Adapter

_extra: dict[str, type[Adapter]] = {}


@cache
def _shipped() -> dict[str, type[Adapter]]:
    found: dict[str, type[Adapter]] = {}
    for module in pkgutil.iter_modules(adapters.__path__):
        for thing in vars(importlib.import_module(f"{adapters.__name__}.{module.name}")).values():
            if isinstance(thing, type) and issubclass(thing, Adapter) and hasattr(thing, "slug"):
                found[thing.slug] = thing
    return found


def all_adapters() -> dict[str, type[Adapter]]:
    return {**_shipped(), **_extra}


def get(slug: str) -> type[Adapter]:
    """Raises LookupError with a sentence when a provider row has no adapter."""
    try:
        return all_adapters()[slug]
    except KeyError:
        raise LookupError(f"There is no adapter named {slug!r} in providers/adapters/.") from None


def register(adapter: type[Adapter]) -> None:
    """Adds one from outside the folder, as tests do."""
    _extra[adapter.slug] = adapter
