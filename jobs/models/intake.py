"""A topic list on its way in: kept for a day, and nothing else exists of it until it is confirmed."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings as site
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.utils import timezone

from .content import Batch, Project


def new_token() -> str:
    return secrets.token_urlsafe(24)


def in_a_day() -> datetime:
    return timezone.now() + timedelta(days=1)


class IntakeDraftQuerySet(models.QuerySet["IntakeDraft"]):
    def for_user(self, user: AbstractBaseUser | AnonymousUser) -> IntakeDraftQuerySet:
        return self if getattr(user, "is_superuser", False) else self.filter(project__members=user.pk)


class IntakeDraft(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE)
    created_by = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=in_a_day)
    token = models.CharField(max_length=64, unique=True, default=new_token)
    name = models.CharField(max_length=200)  # of the batch to be
    source_name = models.CharField(max_length=200, blank=True)  # of the file
    content = models.JSONField(default=dict)  # {"columns": [...], "rows": [[...], ...]} as read
    mapping = models.JSONField(default=dict)  # field -> column number
    settings = models.JSONField(default=dict)  # a partial BatchSettings
    batch = models.OneToOneField(Batch, on_delete=models.SET_NULL, null=True, blank=True)

    objects = IntakeDraftQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def sweep(cls, now: datetime) -> int:
        """Deletes those whose day is over; how many."""
        return cls.objects.filter(expires_at__lte=now).delete()[0]
