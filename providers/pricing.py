"""Prices and units to money. Pure. Amounts are integer micro-units: millionths of the site's one currency."""

from __future__ import annotations

from collections.abc import Mapping


def amount(units: int, micro: int, per: int) -> int:
    """What so many units cost, rounded up once."""
    return -(-units * micro // per)


def units_of(unit: str, counts: Mapping[str, int]) -> int:
    """How many of the priced unit a call used; a call is always one of `calls`."""
    return 1 if unit == "calls" else int(counts.get(unit, 0))
