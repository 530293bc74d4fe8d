"""Conversations of an adapter with the simulator."""

from __future__ import annotations

import time
from typing import Any

from providers import registry, wire
from providers.base import Adapter
from providers.types import Accepted, Failed, Finished, Request, Running
from tests.simulator.process import Simulator


def adapter_for(sim: Simulator, slug: str, folder: Any, *, key: str = "a-key", path: str = "", **more: Any) -> Adapter:
    """The adapter, pointed at the simulator; `path` where its base URL has one."""
    adapter = registry.get(slug)
    return adapter(workdir=folder / "work", base_url=f"{sim.url}/{slug}{path}", key=key, session=wire.session(), **more)


def until_over(adapter: Adapter, external_id: str, *, most_s: float = 10.0) -> Finished | Failed:
    """Polls until the job has ended."""
    until = time.monotonic() + most_s
    while time.monotonic() < until:
        answer = adapter.poll(external_id)
        if not isinstance(answer, Running):
            return answer
        time.sleep(0.02)
    raise AssertionError(f"{external_id} still runs")


def made(adapter: Adapter, request: Request, *, most_s: float = 10.0) -> Finished | Failed:
    """Submits, and waits for the end."""
    answer = adapter.submit(request)
    return until_over(adapter, answer.external_id, most_s=most_s) if isinstance(answer, Accepted) else answer
