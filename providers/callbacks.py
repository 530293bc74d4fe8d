"""Addresses that vendors call back. Where a vendor signs nothing, the address itself proves that we gave it away."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.utils.crypto import salted_hmac

from . import credentials
from .base import Adapter

MAC_LETTERS = 40  # of a hexadecimal SHA-256: 160 bits


def expected(adapter: type[Adapter]) -> bool:
    """Whether its jobs call back: the vendor can, and this site can be reached from outside."""
    return bool(adapter.calls_back and settings.PUBLIC_URL)


def url_for(adapter: type[Adapter], tag: str) -> str:
    """Where the vendor is to call when the job of this tag is over; "" where no call is to come."""
    if not expected(adapter):
        return ""
    place = f"{settings.PUBLIC_URL}/webhooks/{adapter.slug}/"  # as urls.py has it, which would load every page here
    if credentials.webhook_secrets_of(adapter):
        return place
    return f"{place}{tag}/{mac_of(adapter.slug, tag)}/"


def mac_of(slug: str, tag: str) -> str:
    return salted_hmac("vidbatch.webhooks", f"{slug}/{tag}", algorithm="sha256").hexdigest()[:MAC_LETTERS]


def is_ours(slug: str, tag: str, mac: str) -> bool:
    return hmac.compare_digest(mac_of(slug, tag).encode(), mac.encode())
