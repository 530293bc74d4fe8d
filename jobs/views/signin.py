"""Signing in, with a brake: ten failures an hour for an account, twenty for an address. Known and unknown
names get the same answers, and the right password does not pass the brake either."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.cache import cache
from django.core.files import locks
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

WINDOW_S = 3600
ACCOUNT_LIMIT = 10
ADDRESS_LIMIT = 20
REFUSAL = "There were too many failed tries. Wait an hour, then try again."


def client_address(request: HttpRequest) -> str:
    """Behind our own proxy the last forwarded entry is the one it added itself; the others anybody can invent."""
    forwarded = request.headers.get("X-Forwarded-For", "") if settings.HTTPS else ""
    return forwarded.split(",")[-1].strip() or request.META.get("REMOTE_ADDR", "")


def _keys(request: HttpRequest) -> dict[str, int]:
    """Hashed: a name typed by a stranger becomes part of no file name."""
    account = request.POST.get("username", "").strip().casefold()
    named = {f"account:{account}": ACCOUNT_LIMIT, f"address:{client_address(request)}": ADDRESS_LIMIT}
    return {"signin:" + hashlib.sha256(name.encode()).hexdigest(): limit for name, limit in named.items()}


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """The file cache reads and writes in two moves; a burst of guesses must not slip between them."""
    with Path(settings.DATA_DIR, "signin.lock").open("a") as handle:
        locks.lock(handle, locks.LOCK_EX)
        yield


def _recent(key: str) -> list[float]:
    since = timezone.now().timestamp() - WINDOW_S
    return [moment for moment in cache.get(key, []) if moment > since]


def take_a_try(request: HttpRequest) -> bool:
    """Counts the try before the password is looked at, so that parallel guesses cannot outrun the count."""
    keys = _keys(request)
    with _one_at_a_time():
        tries = {key: _recent(key) for key in keys}
        if any(len(tries[key]) >= limit for key, limit in keys.items()):
            return False
        now = timezone.now().timestamp()
        for key in keys:
            cache.set(key, [*tries[key], now], WINDOW_S)
    return True


def give_back(request: HttpRequest) -> None:
    """A success is no failure: the account starts afresh, the address gets its one try back."""
    account, address = _keys(request)
    with _one_at_a_time():
        cache.delete(account)
        cache.set(address, _recent(address)[:-1], WINDOW_S)


class SignIn(LoginView):
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if take_a_try(request):
            return super().post(request, *args, **kwargs)
        form = AuthenticationForm(request, initial={"username": request.POST.get("username", "")})
        return self.render_to_response(self.get_context_data(form=form, refusal=REFUSAL), status=429)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        give_back(self.request)
        return super().form_valid(form)
