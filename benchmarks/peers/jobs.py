"""Clients for jobs that are submitted and polled, so many at once."""

from __future__ import annotations

import asyncio
from typing import Any

from .client import POLITE_POLL_S, Vendor

Items = list[dict[str, Any]]
Spec = dict[str, Any]


async def chunks_with_polling(vendor: Vendor, items: Items, spec: Spec) -> None:
    """As many as may be at once, polled each second until all of them are over; then the next."""
    places: int = spec["places"]
    for first in range(0, len(items), places):
        await asyncio.gather(*(vendor.whole_job(item, poll_s=POLITE_POLL_S) for item in items[first : first + places]))


async def workers_polling(vendor: Vendor, items: Items, spec: Spec) -> None:
    """A worker for each place, which polls its job each second and then takes the next."""
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await vendor.whole_job(item, poll_s=POLITE_POLL_S)

    await asyncio.gather(*(worker() for _ in range(spec["places"])))


JOB_PEERS = {"chunks": chunks_with_polling, "workers_polling_each_second": workers_polling}
