from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django_q.cluster import Cluster
from django_q.conf import Conf
from django_q.signals import post_spawn

from jobs.engine import worker
from providers import registry
from vidbatch_site.supervisor import leash


class Command(BaseCommand):
    help = "Runs the django-q2 cluster of one role. `manage.py start` does this for both."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", choices=settings.ROLES)
        parser.add_argument("--leash", type=int, default=-1, help="A pipe; the cluster ends when it does.")

    def handle(self, *args: Any, role: str, leash: int, **options: Any) -> None:
        if role != Conf.CLUSTER_NAME:  # django-q2 reads its name once, when it is imported
            os.environ["Q_CLUSTER_NAME"] = role
            os.execv(sys.executable, sys.orig_argv)
        self._run(leash)

    def _run(self, fd: int) -> None:
        def tie(**kwargs: Any) -> None:
            leash.tie(fd)

        if fd >= 0:
            post_spawn.connect(tie, weak=False)  # in each worker process
        _share_memory()
        cluster = Cluster()
        cluster.start()
        if identity := os.environ.get(worker.CLUSTER_VARIABLE):
            worker.hold(worker.cluster_lock(identity))  # after the fork, so that no child holds it too
        if fd >= 0:
            leash.tie(fd)
        cluster.sentinel.join()
        if cluster.sentinel.exitcode and not cluster.has_stopped:
            raise CommandError(f"The cluster's guard ended with status {cluster.sentinel.exitcode}.")


def _share_memory() -> None:
    """What the forked processes need is loaded once, before the fork, and its pages are left alone afterwards."""
    import_module("jobs.tasks")
    import_module("jobs.engine.drive")
    registry.all_adapters()
    gc.collect()
    gc.freeze()
