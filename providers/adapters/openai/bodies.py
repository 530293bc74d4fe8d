"""What is common to the bodies of requests."""

from __future__ import annotations

from typing import Any

from ...types import Request


def with_own(body: dict[str, Any], request: Request) -> dict[str, Any]:
    """The offer's own parameters last; one that is null takes ours away, for servers that refuse it."""
    return {name: value for name, value in {**body, **request.own}.items() if value is not None}
