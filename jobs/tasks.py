"""The one django-q2 entry point: a message says only "drive". Lost, doubled or late, it changes nothing but latency."""

from __future__ import annotations

from django.conf import settings
from django_q.tasks import async_task

from jobs.engine.drive import Drive, stop_flag


def drive(role: str) -> None:
    """Drives for one slice. The wake-up for the successor goes out first, so that it overlaps the drain."""

    def call_successor() -> None:
        if not stop_flag().exists():
            enqueue(role)

    Drive(role, slice_s=settings.DRIVE_SLICE_S, before_drain=call_successor).run()


def enqueue(role: str) -> None:
    async_task("jobs.tasks.drive", role, cluster=role, group=role)
