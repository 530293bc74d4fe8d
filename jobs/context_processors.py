"""What every page of the frame needs; asked for only when the template shows it."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest

from jobs.queries import notices


def frame(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}

    @cache
    def review_count() -> int:
        return notices.review_count(user)

    @cache
    def engine_notice() -> str:
        return notices.engine_notice()

    return {"review_count": review_count, "engine_notice": engine_notice}
