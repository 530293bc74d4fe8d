"""Brings webhooks to their address when they are due, and again when nobody took them."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from . import hooks, protocols
from .books import Row
from .vendor import Vendors

PATIENCE_S = 5.0
Complete = Callable[[dict[str, Any], Row, str], Awaitable[None]]


class Postman:
    """`complete` puts the output into what is told of a finished job."""

    def __init__(self, vendors: Vendors, url: str, complete: Complete, later: Callable[..., None]) -> None:
        self._vendors, self._url, self._complete, self._later = vendors, url, complete, later
        self._loop = asyncio.get_running_loop()
        self._held: dict[str, list[int]] = defaultdict(list)  # by vendor: waiting to be overtaken
        for delivery in vendors.books.open_deliveries():
            self._look_again(delivery["id"], 0.0)

    def plan(self, job: Row) -> None:
        """For a job just taken; or again for one that was cancelled or moved."""
        for delivery in self._vendors.books.open_deliveries(job["id"]):
            self._look_again(delivery["id"], hooks.due_at(delivery, job))

    def _look_again(self, delivery_id: int, moment: float) -> None:
        clock = self._vendors.clock
        wait_s = (moment - clock.now()) / clock.scale
        if wait_s < 1e7:
            self._loop.call_later(max(0.0, wait_s), self._look, delivery_id)

    def _look(self, delivery_id: int) -> None:
        books, now = self._vendors.books, self._vendors.clock.now()
        delivery = books.delivery(delivery_id)
        job = delivery and books.job(delivery["vendor"], delivery["job"])
        if not delivery or not job or delivery["sent_at"] is not None:
            return
        due_at = hooks.due_at(delivery, job)
        held_until = due_at + self._vendors.behaviour.of(job["vendor"])["hook_hold_s"]
        if due_at > now:
            self._look_again(delivery_id, due_at)
        elif delivery["fault"] == "reversed" and now < held_until:
            self._held[job["vendor"]].append(delivery_id)
            self._look_again(delivery_id, held_until)
        else:
            self._send(delivery, job)

    def _send(self, delivery: Row, job: Row) -> None:
        self._vendors.books.send_delivery(delivery["id"], self._vendors.clock.now())
        self._later(self._deliver(delivery, job))

    async def _deliver(self, delivery: Row, job: Row) -> None:
        vendor, books, clock = job["vendor"], self._vendors.books, self._vendors.clock
        settings = self._vendors.behaviour.of(vendor)
        if not delivery["content"]:
            secret, at = settings["hook_secret"], clock.real(clock.now())
            if vendor in protocols.ALL:
                speaks = protocols.ALL[vendor]
                told = speaks.hook(self._vendors, job, f"{self._url}/{vendor}")
                said = hooks.foreign_content(delivery, told, speaks.signs, secret=secret, at=at)
            else:
                told = self._vendors.told(job, clock.now())
                if told["status"] == "succeeded":
                    await self._complete(told, job, f"{self._url}/{vendor}")
                said = hooks.content(delivery, told, base=f"{self._url}/{vendor}", secret=secret, at=at)
            delivery["content"] = books.keep_content(delivery, said)
        headers, body = json.loads(delivery["content"])
        answer = await post(json.loads(job["request"])["callback_url"], headers, body.encode())
        books.delivered(delivery["id"], answer)
        if not 200 <= answer < 300 and delivery["try"] < settings["hook_tries"] and not delivery["fault"]:
            again = {name: delivery[name] for name in ("vendor", "job", "message", "event", "fault")}
            after_s = clock.now() - hooks.due_at({**delivery, "after_s": 0.0}, job) + settings["hook_gap_s"]
            again_id = books.add_delivery({**again, "after_s": after_s, "try": delivery["try"] + 1})
            self._look_again(again_id, clock.now() + settings["hook_gap_s"])
        self._let_go(vendor)

    def _let_go(self, vendor: str) -> None:
        """What was held was overtaken now."""
        for delivery_id in self._held.pop(vendor, []):
            delivery = self._vendors.books.delivery(delivery_id)
            job = delivery and self._vendors.books.job(vendor, delivery["job"])
            if delivery and job and delivery["sent_at"] is None:
                self._send(delivery, job)


async def post(url: str, headers: dict[str, str], body: bytes) -> int:
    """The status answered; 0 when there was no answer."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
            try:
                writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
                await writer.drain()
                first = await reader.readline()
            finally:
                writer.close()
        return int(first.split()[1])
    except (OSError, TimeoutError, ValueError, IndexError):
        return 0
