"""Bugs that are planted in the engine to see whether the trials catch them."""

from __future__ import annotations


def plant(name: str) -> None:
    return None
