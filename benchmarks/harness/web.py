"""The site of an installation that is measured, for vendors that call back: served as the supervisor serves it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from tests.services import free_port
from tests.simulator.settings import DEFAULTS

from .engine import ROOT, Installation

SIMULATOR = "BENCH_SIMULATOR"
START_LIMIT_S = 30


@contextmanager
def called_back(made: Installation, simulator_url: str) -> Iterator[None]:
    """The site runs, and every process of the installation knows its address and the vendor's secret."""
    port = free_port()
    made.environment |= {
        "VIDBATCH_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SIM_HOOKS_SECRET": DEFAULTS["hook_secret"],
        SIMULATOR: simulator_url,
    }
    options = ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", "8", "--log-level", "warning"]
    command = [sys.executable, "-m", "gunicorn", *options, "--no-control-socket", f"{__name__}:application()"]
    process = subprocess.Popen(command, cwd=ROOT, env=made.environment)
    try:
        _wait_for(f"http://127.0.0.1:{port}/webhooks/none/")
        yield
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(page: str) -> None:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end:
        try:
            requests.get(page, timeout=5)
            return
        except requests.RequestException:
            time.sleep(0.1)
    raise RuntimeError("The site did not start.")


def application() -> object:
    from django.core.wsgi import get_wsgi_application

    made = get_wsgi_application()
    from tests import simulator_adapter

    simulator_adapter.register_all(os.environ[SIMULATOR])
    return made
