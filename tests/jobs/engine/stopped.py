"""Every way in which a vendor's calls may be stopped."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def closed_until(moment: datetime) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(what to set of the provider, what of its lane)"""
    return [
        ({"paused": True}, {}),
        ({"enabled": False}, {}),
        ({"paused_until": moment}, {}),
        ({}, {"paused": True}),
        ({}, {"paused_until": moment}),
        ({}, {"broken_until": moment}),
        ({}, {"max_in_flight": 0}),
    ]
