"""Prices and units to money. Pure. Amounts are integer micro-units: millionths of the site's one currency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .types import Capability, Request


def amount(units: int, micro: int, per: int) -> int:
    """What so many units cost, rounded up once."""
    return -(-units * micro // per)


def most_units(request: Request) -> dict[str, int]:
    """The most units a request can be billed for; tokens apart, which its adapter knows."""
    units = {"characters": len(request.prompt), "seconds": -(-int(request.seconds * 1000) // 1000)}
    if request.capability is Capability.IMAGE:
        units["images"] = request.takes
    return units


class Rate(Protocol):
    """What a price is made of: `micro` for `per` of its unit, and for as many of each unit in `beside` what it says."""

    @property
    def unit(self) -> str: ...
    @property
    def micro(self) -> int: ...
    @property
    def per(self) -> int: ...
    @property
    def beside(self) -> Mapping[str, int]: ...


def cost(price: Rate, counts: Mapping[str, int]) -> int:
    """What a call with these units costs, rounded up once."""
    total = units_of(price.unit, counts) * price.micro
    if price.beside:
        total += sum(units_of(unit, counts) * micro for unit, micro in price.beside.items())
    return amount(total, 1, price.per)


def units_of(unit: str, counts: Mapping[str, int]) -> int:
    """How many of the priced unit were used; by a single call one of `calls`, which need not be said."""
    return int(counts.get(unit, 1 if unit == "calls" else 0))
