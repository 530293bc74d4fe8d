"""The queues of wake-ups: one per role and installation, so that no machine takes or clears those of another."""

from __future__ import annotations

from django_q.brokers.orm import ORM
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf

from . import worker


def queue_name(role: str | None) -> str:
    return f"{role or Conf.CLUSTER_NAME}@{worker.here()}"


class InDatabase(ORM):  # type: ignore[misc]
    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=queue_name(list_key))


class InRedis(Redis):  # type: ignore[misc]
    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=queue_name(list_key))
