"""The one django-q2 entry point: a message says only "drive". Lost, doubled or late, it changes nothing but latency."""

from __future__ import annotations

import logging

from django.conf import settings
from django_q.tasks import async_task

from jobs.engine import worker
from jobs.engine.roles import stop_flag
from jobs.engine.wake_ups import queue_errors

log = logging.getLogger(__name__)
PATIENCE_S = 1.0


def drive(role: str) -> None:
    """Drives for one slice. The wake-up for the successor goes out first, so that it overlaps the drain."""
    from jobs.engine.drive import Drive  # the supervisor, which only enqueues, does without the engine

    lock = worker.driving_lock(role)
    if not worker.hold(lock, patience_s=PATIENCE_S):
        return  # somebody drives already: this message is a double

    def call_successor() -> None:
        worker.release(lock)
        if not stop_flag(role).exists():
            enqueue(role)

    try:
        Drive(role, slice_s=settings.DRIVE_SLICE_S, before_drain=call_successor).run()
    finally:
        worker.release(lock)


def enqueue(role: str) -> None:
    """A queue that does not answer stops nobody: when work is due and nobody drives, the supervisor calls again."""
    try:
        async_task("jobs.tasks.drive", role, cluster=role, group=role)
    except queue_errors() as error:
        log.warning("%s: no wake-up could be sent: %s", role, error)
