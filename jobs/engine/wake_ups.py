"""The queues of wake-ups: one per role and installation, so that no machine takes or clears those of another."""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError
from django_q.brokers.orm import ORM
from django_q.conf import Conf

from . import worker


def queue_name(role: str | None) -> str:
    return f"{role or Conf.CLUSTER_NAME}@{worker.here()}"


class InDatabase(ORM):  # type: ignore[misc]
    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=queue_name(list_key))


def queue_errors() -> tuple[type[Exception], ...]:
    """What a queue that does not answer raises."""
    if not settings.REDIS_URL:
        return (DatabaseError,)
    from redis.exceptions import RedisError  # 5 MB in every process that imports it

    return (DatabaseError, RedisError)
