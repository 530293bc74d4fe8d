"""Verifies signed webhooks: on the bytes that came, before anybody parses them, in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from .exceptions import BadSignature

TOLERANCE_S = 300.0  # between the vendor's clock and ours


def standard(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> str:
    """The id of a webhook signed as https://www.standardwebhooks.com says (read 2026-11-21); raises BadSignature.

    Each of several signatures is compared with each of several secrets: both are what a change of keys looks like.
    """
    named = {name.lower(): value for name, value in headers.items()}
    webhook_id, sent_at = named.get("webhook-id", ""), named.get("webhook-timestamp", "")
    signatures = named.get("webhook-signature", "").split()
    if not webhook_id or not signatures:
        raise BadSignature("no signature")
    check_time(sent_at, now)
    text = f"{webhook_id}.{sent_at}.".encode() + body
    wanted = [b"v1," + base64.b64encode(hmac.digest(key_of(secret), text, hashlib.sha256)) for secret in secrets]
    if not is_any(wanted, [signature.encode() for signature in signatures]):
        raise BadSignature("no signature is right")
    return webhook_id


def check_time(sent_at: str, now: float) -> None:
    """A webhook that was recorded cannot be played again later."""
    if not sent_at.isascii() or not sent_at.isdigit() or len(sent_at) > 12 or abs(int(sent_at) - now) > TOLERANCE_S:
        raise BadSignature("too old or too new")


def is_any(wanted: Sequence[bytes], given: Sequence[bytes]) -> bool:
    """Compares all with all, however early one matches."""
    return sum(hmac.compare_digest(one, other) for one in wanted for other in given[:10]) > 0


def key_of(secret: str) -> bytes:
    """Base64 behind whsec_, or any other text as it is."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return secret.encode()
