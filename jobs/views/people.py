from __future__ import annotations

from django.contrib.auth.models import User
from django.http import HttpRequest


def person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else comes past LoginRequiredMiddleware
    return request.user
