"""Questions about many rows, for pages."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils import timezone

from jobs.models import Asset, Notice

NOTICE_LIFE_S = 300


def review_count(user: AbstractBaseUser | AnonymousUser) -> int:
    """How many files wait for a reviewer, of those the person may see."""
    return Asset.objects.for_user(user).waiting_for_review().count()


def engine_notice() -> str:
    """What the engine did by itself in the last minutes, "" when nothing."""
    notice = Notice.objects.first()
    recent = notice is not None and (timezone.now() - notice.at).total_seconds() < NOTICE_LIFE_S
    return f"{timezone.localtime(notice.at):%H:%M} {notice.text}" if notice and recent else ""
