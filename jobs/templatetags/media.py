"""Addresses of stored files, and how a check's result reads."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.urls import reverse

from jobs.delivery import file_name
from jobs.models import Asset
from jobs.templatetags.vidbatch import money

register = template.Library()


@register.filter
def media_url(asset: Asset) -> str:
    """Where the file itself is played or looked at; the asset's video and scene are at hand."""
    return reverse("media_file", args=[asset.pk, file_name(asset)])


@register.filter
def thumbnail_url(asset: Asset | None) -> str:
    has_picture = asset is not None and (asset.thumbnail or asset.media_type.startswith("image/"))
    return reverse("media_thumbnail", args=[asset.pk]) if asset is not None and has_picture else ""


@register.filter
def about(micro: int) -> str:
    """What a new try costs, as far as the last one tells."""
    return f"about {money(micro)}" if micro else "no charge"


@register.inclusion_tag("videos/_checks.html")
def checks(results: Any) -> dict[str, Any]:
    return {"results": results}


@register.filter
def pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
