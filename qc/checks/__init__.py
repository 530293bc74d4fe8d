"""One judgement per file; a new file is found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from ..types import CHECKS, Check


@cache
def all_checks() -> dict[str, Check]:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return CHECKS
