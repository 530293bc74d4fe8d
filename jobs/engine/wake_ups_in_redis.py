from __future__ import annotations

from django_q.brokers.redis_broker import Redis

from .wake_ups import queue_name


class InRedis(Redis):  # type: ignore[misc]
    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=queue_name(list_key))
