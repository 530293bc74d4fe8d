"""One view for the webhooks of all vendors: verify, store, answer. What one says is never believed: it is a hint that
something may have happened, and the vendor is asked."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from threading import Lock

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.common import no_append_slash
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from . import callbacks, credentials, registry
from .base import Adapter
from .exceptions import BadSignature
from .models import Provider, WebhookEvent
from .signals import webhook_arrived
from .types import WebhookSaid

log = logging.getLogger(__name__)

MOST_BYTES = 256 * 1024
MOST_A_MINUTE = 1200  # from one source, in one process


class _Counts:
    """How often each source came in this minute."""

    def __init__(self) -> None:
        self._lock, self._minute, self._seen = Lock(), 0, Counter[str]()

    def is_too_many(self, source: str) -> bool:
        minute = int(time.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._seen = minute, Counter()
            self._seen[source] += 1
            return self._seen[source] > MOST_A_MINUTE


counts = _Counts()


@csrf_exempt
@login_not_required
@no_append_slash  # a redirect would lose the body
@require_POST
def receive(request: HttpRequest, slug: str, tag: str = "", mac: str = "") -> HttpResponse:
    if counts.is_too_many(_source(request)):
        return HttpResponse(status=429, headers={"Retry-After": "60"})
    adapter = registry.all_adapters().get(slug)
    if adapter is None or not adapter.calls_back:
        return HttpResponse(status=404)
    if _length(request) > MOST_BYTES:
        return HttpResponse(status=413)
    try:
        said = _verified(adapter, request, tag, mac)
    except BadSignature as reason:
        log.warning("a webhook for %s from %s was refused: %s", slug, _source(request), reason)
        return HttpResponse(status=401)
    except Exception:  # signed by the vendor, and nothing that its adapter can read
        log.exception("a webhook of %s cannot be read", slug)
        return HttpResponse(status=204)
    try:
        _store(slug, said, tag)
    except (OperationalError, InterfaceError) as error:
        log.warning("a webhook of %s could not be stored: %s", slug, error)
        return HttpResponse(status=503, headers={"Retry-After": "10"})
    return HttpResponse(status=204)


def _verified(adapter: type[Adapter], request: HttpRequest, tag: str, mac: str) -> WebhookSaid:
    if tag:
        if not callbacks.is_ours(adapter.slug, tag, mac):
            raise BadSignature("its address was not made here")
        if adapter.signs_publicly:  # a second proof
            return adapter.read_webhook(request.headers, request.body, (), time.time())
        return WebhookSaid(webhook_id=f"{tag}:{hashlib.sha256(request.body).hexdigest()[:32]}")
    secrets = credentials.webhook_secrets_of(adapter)
    if not secrets:
        raise BadSignature(f"{adapter.webhook_secret_env or 'a secret'} is not set")
    return adapter.read_webhook(request.headers, request.body, secrets, time.time())


def _store(slug: str, said: WebhookSaid, tag: str) -> None:
    """One that came before, however often, changes nothing. It is told once it is stored, so that whoever books the
    answer to a submit either finds it or has booked by then."""
    with transaction.atomic():
        provider = Provider.objects.filter(slug=slug).first()
        if provider is None:
            return
        event, is_new = WebhookEvent.objects.get_or_create(
            provider=provider,
            webhook_id=said.webhook_id[:200],
            defaults={"external_id": (said.external_id or "")[:200], "tag": (tag or said.tag)[:40]},
        )
    if is_new and (event.external_id or event.tag):
        webhook_arrived.send(sender=WebhookEvent, event=event)


def _length(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdigit() else MOST_BYTES + 1


def _source(request: HttpRequest) -> str:
    """Behind our own proxy the last forwarded entry is the one it added itself; the others anybody can invent."""
    forwarded = request.headers.get("X-Forwarded-For", "") if settings.HTTPS else ""
    return forwarded.split(",")[-1].strip() or request.META.get("REMOTE_ADDR", "")
