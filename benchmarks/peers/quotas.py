"""Clients for a quota of so many calls a window, as people write them; each gets the quota and the items.

Every call that is refused is sent again when the vendor says so, but in `parallel_script`, which has a queue for that.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from aiolimiter import AsyncLimiter
from pyrate_limiter import Duration, Limiter, Rate

from .client import Vendor

Items = list[dict[str, Any]]
Spec = dict[str, Any]

CHUNK = 5
CHUNK_PAUSE_S = 0.2
ATTEMPTS = 5
TICK_S = 0.001
PAUSE_SHARE = 0.25  # of a window: 15 s of a minute


async def chunks_with_a_pause(vendor: Vendor, items: Items, spec: Spec) -> None:
    """Five at a time; when all five are there, a pause."""
    for first in range(0, len(items), CHUNK):
        await asyncio.gather(*map(vendor.until_accepted, items[first : first + CHUNK]))
        await asyncio.sleep(CHUNK_PAUSE_S)


async def pyrate_limiter(vendor: Vendor, items: Items, spec: Spec) -> None:
    """One task an item, each of which asks a limiter in memory first."""
    limiter = Limiter(Rate(spec["amount"], round(spec["window_s"] * Duration.SECOND)))

    async def one(item: dict[str, Any]) -> None:
        await limiter.try_acquire_async("vendor")
        await vendor.until_accepted(item)

    await asyncio.gather(*map(one, items))


async def aiolimiter_burst(vendor: Vendor, items: Items, spec: Spec) -> None:
    await _with_aiolimiter(vendor, items, AsyncLimiter(spec["amount"], spec["window_s"]))


async def aiolimiter_even(vendor: Vendor, items: Items, spec: Spec) -> None:
    """As its page advises against bursts: one in each share of the window."""
    await _with_aiolimiter(vendor, items, AsyncLimiter(1, spec["window_s"] / spec["amount"]))


async def _with_aiolimiter(vendor: Vendor, items: Items, limiter: AsyncLimiter) -> None:
    async def one(item: dict[str, Any]) -> None:
        async with limiter:
            pass
        await vendor.until_accepted(item)

    await asyncio.gather(*map(one, items))


async def aiolimiter_tokens(vendor: Vendor, items: Items, spec: Spec) -> None:
    """By the tokens that each item is thought to have."""
    limiter = AsyncLimiter(spec["tokens"], spec["window_s"])

    async def one(item: dict[str, Any]) -> None:
        await limiter.acquire(item["tokens"])
        await vendor.until_accepted(item)

    await asyncio.gather(*map(one, items))


async def parallel_script(vendor: Vendor, items: Items, spec: Spec) -> None:
    """The pattern of scripts for bulk requests: a capacity that refills evenly, a queue of what is to be tried again,
    a pause of everything for a while after a refusal, and an end after five tries.

    Capacity is full at the start. Where items have `tokens`, they have a capacity of their own.
    """
    rate = spec["amount"] / spec["window_s"]
    tokens_rate = spec.get("tokens", 0) / spec["window_s"]
    requests_left, tokens_left = float(spec["amount"]), float(spec.get("tokens", 0))
    waiting, again = deque((item, ATTEMPTS) for item in items), deque[tuple[dict[str, Any], int]]()
    running: set[asyncio.Task[None]] = set()
    refused_at, looked = float("-inf"), time.monotonic()

    async def call(item: dict[str, Any], tries: int) -> None:
        nonlocal refused_at
        if await vendor.send(item) is None:
            return
        refused_at = time.monotonic()
        if tries > 1:
            again.append((item, tries - 1))

    while waiting or again or running:
        now = time.monotonic()
        requests_left = min(requests_left + (now - looked) * rate, spec["amount"])
        tokens_left = min(tokens_left + (now - looked) * tokens_rate, spec.get("tokens", 0))
        looked = now
        queue = again or waiting
        need = queue[0][0].get("tokens", 0) if queue and tokens_rate else 0
        if queue and requests_left >= 1 and tokens_left >= need:
            requests_left, tokens_left = requests_left - 1, tokens_left - need
            task = asyncio.create_task(call(*queue.popleft()))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.sleep(TICK_S)
        rest_s = refused_at + spec["window_s"] * PAUSE_SHARE - time.monotonic()
        if rest_s > 0:
            await asyncio.sleep(rest_s)


QUOTA_PEERS = {
    "chunks": chunks_with_a_pause,
    "pyrate_limiter": pyrate_limiter,
    "aiolimiter_burst": aiolimiter_burst,
    "aiolimiter_even": aiolimiter_even,
    "parallel_script": parallel_script,
}
