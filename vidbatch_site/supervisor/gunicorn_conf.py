"""gunicorn, as the supervisor runs it: one process, a few threads; pages are read from the database."""

from __future__ import annotations

import os
from typing import Any

from vidbatch_site.supervisor import leash

LEASH = int(os.environ["LEASH_FD"])
bind = f"fd://{os.environ['LISTENER_FD']}"  # bound by the supervisor: a restart refuses nobody
worker_class = "gthread"
workers = 1
threads = 8
keepalive = 5
timeout = 60
graceful_timeout = 3
preload_app = False
control_socket_disable = True
max_requests = 20_000
max_requests_jitter = 2_000


def when_ready(server: Any) -> None:
    leash.tie(LEASH)


def post_worker_init(worker: Any) -> None:
    """The first visitor should not wait for what all pages need: views and compiled templates."""
    from django.conf import settings
    from django.template.loader import get_template
    from django.urls import get_resolver

    _ = get_resolver().url_patterns
    folder = settings.BASE_DIR / "templates"
    for path in sorted(folder.rglob("*.html")):
        get_template(str(path.relative_to(folder)))


def post_fork(server: Any, worker: Any) -> None:
    leash.tie(LEASH)
