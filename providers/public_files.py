"""Addresses under which a vendor fetches a file of ours: signed, and good for a day. Nobody else is told of them."""

from __future__ import annotations

from django.conf import settings
from django.core import signing

from .exceptions import Rejected
from .types import InputFile

LIFE_S = 24 * 3600
_signer = signing.TimestampSigner(salt="vidbatch.public_files")


def url_for(file: InputFile, label: str) -> str:
    """Raises Rejected where vendors cannot reach this site."""
    if not settings.PUBLIC_URL:
        raise Rejected(
            f"{label} fetches pictures by itself, and this site has no public address: set VIDBATCH_PUBLIC_URL "
            "(docs/deploying.md), or choose a model of another provider."
        )
    name = file.path.relative_to(settings.MEDIA_ROOT).as_posix()
    return f"{settings.PUBLIC_URL}/files/{_signer.sign_object(name, compress=False)}/{file.path.name}"


def name_of(token: str) -> str | None:
    """The path in the media store, None for what was not signed here, or too long ago."""
    try:
        return str(_signer.unsign_object(token, max_age=LIFE_S))
    except signing.BadSignature:
        return None
