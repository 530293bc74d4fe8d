"""The public keys that a vendor signs its webhooks with: fetched when the first one comes, again after a day."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from threading import Lock

LIFE_S = 86_400.0  # at most, says https://fal.ai/docs/documentation/model-apis/inference/webhooks (read 2026-09)
AGAIN_S = 60.0  # after keys could not be had, so that nobody waits for them at every webhook


class PublishedKeys:
    """One of a class of adapters; many threads ask."""

    def __init__(self) -> None:
        self._lock, self._keys, self._good_until = Lock(), list[str](), 0.0

    def at(self, now: float, fetch: Callable[[], list[str]]) -> list[str]:
        """Raises what `fetch` raises; within a minute of that there are none."""
        with self._lock:
            if now >= self._good_until:
                self._keys, self._good_until = [], now + AGAIN_S
                self._keys, self._good_until = fetch(), now + LIFE_S
            return self._keys


def is_signed(message: bytes, signature: str, keys: Iterable[str]) -> bool:
    """Whether one of the Ed25519 keys, as a JSON Web Key has them in `x`, made this hexadecimal signature."""
    from cryptography.exceptions import InvalidSignature  # megabytes, for webhooks alone
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for key in keys:
        try:
            public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)))
            public.verify(bytes.fromhex(signature), message)
        except (InvalidSignature, ValueError, binascii.Error):
            continue
        return True
    return False
