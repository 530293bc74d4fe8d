"""Prices and units to money. Pure. Amounts are integer micro-units: millionths of the site's one currency."""

from __future__ import annotations

from collections.abc import Mapping

from .types import Capability, Request


def amount(units: int, micro: int, per: int) -> int:
    """What so many units cost, rounded up once."""
    return -(-units * micro // per)


def most_units(request: Request) -> dict[str, int]:
    """The most units a request can be billed for; tokens apart, which its adapter knows."""
    units = {"characters": len(request.prompt), "seconds": -(-int(request.seconds * 1000) // 1000)}
    if request.capability is Capability.IMAGE:
        units["images"] = 1
    return units


def units_of(unit: str, counts: Mapping[str, int]) -> int:
    """How many of the priced unit a call used; a call is always one of `calls`."""
    return 1 if unit == "calls" else int(counts.get(unit, 0))
