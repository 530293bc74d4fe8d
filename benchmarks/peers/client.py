"""What all peers share: one HTTP client, one call of the vendor, and what is counted. None of it is ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from benchmarks.harness.measure import wait_until

RETRY_S = 1.0  # where the vendor says nothing
POLITE_POLL_S = 1.0


@dataclass
class Tally:
    requests: int = 0
    polls: int = 0
    done: int = 0
    lost: int = 0


@dataclass
class Vendor:
    """Calls of a simulated vendor. `send` is one request: None, or seconds to wait when it was refused."""

    url: str
    path: str
    session: aiohttp.ClientSession
    tally: Tally = field(default_factory=Tally)

    async def send(self, item: dict[str, Any]) -> float | None:
        self.tally.requests += 1
        async with self.session.post(f"{self.url}/v1/{self.path}", json=item) as answer:
            if answer.status == 429:
                return float(answer.headers.get("Retry-After", RETRY_S))
            answer.raise_for_status()
            await answer.json()
        self.tally.done += 1
        return None

    async def until_accepted(self, item: dict[str, Any]) -> None:
        """Sends again after each refusal, as long after it as the vendor says."""
        while (wait_s := await self.send(item)) is not None:
            await asyncio.sleep(wait_s)

    async def submit(self, item: dict[str, Any]) -> str | float:
        """The id of a job, or seconds to wait."""
        self.tally.requests += 1
        async with self.session.post(f"{self.url}/v1/{self.path}", json=item) as answer:
            if answer.status == 429:
                return float(answer.headers.get("Retry-After", RETRY_S))
            answer.raise_for_status()
            return str((await answer.json())["id"])

    async def is_over(self, job: str) -> bool:
        self.tally.polls += 1
        async with self.session.get(f"{self.url}/v1/jobs/{job}") as answer:
            return bool((await answer.json())["status"] in ("succeeded", "failed", "cancelled"))

    async def whole_job(self, item: dict[str, Any], *, poll_s: float) -> None:
        while not isinstance(job := await self.submit(item), str):
            await asyncio.sleep(job)
        while not await self.is_over(job):
            await asyncio.sleep(poll_s)
        self.tally.done += 1


Peer = Callable[[Vendor, list[dict[str, Any]], dict[str, Any]], Awaitable[None]]


async def measured(peer: Peer, spec: dict[str, Any]) -> dict[str, Any]:
    """Runs a peer over the items of the spec."""
    items: list[dict[str, Any]] = spec["items"]
    connector = aiohttp.TCPConnector(limit=0)
    wait_until(spec.get("begin_at", 0.0))
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=600)) as session:
        vendor = Vendor(spec["url"], spec["path"], session)
        began, clock, cpu = time.time(), time.perf_counter(), time.process_time()
        with suppress(TimeoutError):
            await asyncio.wait_for(peer(vendor, items, spec), spec["limit_s"])
        took, cpu = time.perf_counter() - clock, time.process_time() - cpu
    tally = vendor.tally
    return {
        "began": began,
        "all_s": round(took, 4),
        "cpu_s": round(cpu, 3),
        "requests": tally.requests,
        "polls": tally.polls,
        "done": tally.done,
        "lost": len(items) - tally.done,
    }
