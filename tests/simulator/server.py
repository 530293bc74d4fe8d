"""HTTP around the vendors: one loop in one thread, so that requests are judged in the order of their arrival."""

from __future__ import annotations

import asyncio
import base64
import heapq
import json
import os
import random
import socket
import time
import traceback
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from . import files, lines, media, protocols
from .books import Row
from .clock import steady
from .postman import Postman
from .replies import Asked, Reply, error
from .settings import BadControl, known_faults
from .summary import books_of, summary_of
from .vendor import Vendors
from .wire import Connection, Message, response

GREETING = b"""A vendor to practise on.

GET  /control?vendor=jobs   how a vendor behaves, and which faults there are
POST /control               {"vendor": "jobs", "latency_s": [45, 180], "rates": {"500_after": 0.02}}
GET  /books?vendor=jobs     what it accepted and billed
GET  /summary?vendor=jobs   figures of a run: refusals, windows, utilisation, the life of each job

tests/simulator/README.md says more.
"""
ENDLESS_BLOCKS = 2**14  # of 64 KiB: even what has no end has one here


class Server:
    def __init__(self, port: int, vendors: Vendors, seed: int = 1) -> None:
        self.vendors = vendors
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._listener.setblocking(False)
        self._queue: list[tuple[float, int, Connection, Message]] = []  # by arrival
        self._numbers = count()
        self._jitter = random.Random(f"{seed}:jitter")
        self._makers = ThreadPoolExecutor(2, "media", _at_usual_priority)
        self._busy: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    async def serve_forever(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.vendors.moved = Postman(self.vendors, self.url, self._complete, self._later).plan
        self._loop.add_reader(self._listener, self._accept)
        await asyncio.Event().wait()

    def _accept(self) -> None:
        try:
            while True:
                Connection(self._listener.accept()[0], self._arrived)
        except OSError:
            return  # no more of them

    # -- the order of judgement ------------------------------------------------------------------

    def _arrived(self, connection: Connection, message: Message) -> None:
        at = steady() - (time.time() - message.at)
        jitter_s = self._jitter_s(message)
        if jitter_s > 0:
            self._loop.call_later(at + jitter_s - steady(), self._line_up, at + jitter_s, connection, message)
        else:
            self._line_up(at, connection, message)

    def _jitter_s(self, message: Message) -> float:
        most_ms = self.vendors.behaviour.of(message.target.strip("/").split("/")[0])["jitter_ms"]
        return float(self._jitter.uniform(0, most_ms)) / 1000 if most_ms else 0.0

    def _line_up(self, at: float, connection: Connection, message: Message) -> None:
        heapq.heappush(self._queue, (at, next(self._numbers), connection, message))
        self._loop.call_soon(self._serve_first)  # one a turn of the loop, so that arrivals are read in between

    def _serve_first(self) -> None:
        at, _, connection, message = heapq.heappop(self._queue)
        try:
            reply, base = self._reply(at, message)
        except Exception:
            traceback.print_exc()
            self.vendors.books.keep_fact("failure", traceback.format_exc())
            reply, base = error(500, "the_simulator_itself_failed"), ""
        if reply.at or reply.content or reply.outputs or reply.lines_of or reply.shape:
            self._later(self._finish(connection, reply, base))
        else:
            self._send(connection, reply)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._busy.add(task)  # the loop itself would let it be collected
        task.add_done_callback(self._busy.discard)

    # -- answers ---------------------------------------------------------------------------------

    def _reply(self, at: float, message: Message) -> tuple[Reply, str]:
        url = urlsplit(message.target)
        query, parts = dict(parse_qsl(url.query)), tuple(part for part in url.path.split("/") if part)
        media_type = message.headers.get("content-type", "")
        is_foreign = parts[:1] and parts[0] in protocols.ALL  # which reads what came in its own way
        is_file = "multipart" in media_type or parts[1:] == ("v1", "files")
        try:
            body = {} if is_file or is_foreign else json.loads(message.body or b"{}")
        except ValueError:
            return error(400, "not_json"), ""
        match parts:
            case ():
                return Reply(body=GREETING, media_type="text/plain"), ""
            case ("books",):
                return Reply(body=books_of(self.vendors, query.get("vendor", ""))), ""
            case ("summary",):
                return Reply(body=summary_of(self.vendors, query.get("vendor", ""))), ""
            case ("control",) if message.method == "GET":
                vendor = query.get("vendor", "")
                return Reply(body={"settings": self.vendors.behaviour.of(vendor), "faults": known_faults()}), ""
            case ("control",):
                return self._control(body), ""
        vendor, *path = parts
        base = f"http://{message.headers.get('host')}/{vendor}"
        asked = Asked(
            at=self.vendors.clock.virtual(at),
            vendor=vendor,
            method=message.method,
            path=tuple(path),
            query=query,
            body=body,
            key=message.headers.get("idempotency-key", ""),
            raw=message.body,
            media_type=media_type,
            headers=message.headers,
            base=base,
        )
        reply = self.vendors.answer(asked)
        reply.vendor = vendor
        return reply, base

    def _control(self, order: dict[str, Any]) -> Reply:
        vendor = order.pop("vendor", "")
        if not vendor:
            return Reply(status=400, body={"error": "name the vendor"})
        try:
            settings = self.vendors.control(vendor, order)
        except BadControl as trouble:
            return Reply(status=400, body={"error": str(trouble)})
        if settings["media"] == "tiny":
            media.warm_up()
        return Reply(body=settings)

    async def _finish(self, connection: Connection, reply: Reply, base: str) -> None:
        """Waits for the moment, and makes files meanwhile."""
        if reply.content and not reply.lost:
            reply.body = await self._made(reply.content, reply.number)
        if reply.shape and not reply.lost:
            reply.body = reply.shape([await self._made(job, number) for job, number in reply.made])
        if reply.lines_of:
            reply.body = await self._written(*reply.lines_of, base)
        for told, job in reply.outputs:
            await self._complete(told, job, base)
        wait_s = (reply.at - self.vendors.clock.now()) / self.vendors.clock.scale
        if wait_s > 0:
            await asyncio.sleep(min(wait_s, 1e6))
        self._send(connection, reply)

    def _send(self, connection: Connection, reply: Reply) -> None:
        if reply.lost:
            connection.close(reset=reply.lost == "reset")
            return
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        if reply.drips or reply.endless:
            self._later(self._send_slowly(connection, reply, body))
            return
        whole = reply.sent_share == 1
        data = response(
            reply.status,
            body if whole else body[: int(len(body) * reply.sent_share)],
            reply.media_type,
            reply.headers,
            len(body),
        )
        rest = connection.send_now(data)
        if rest or connection.is_last or not whole:
            self._later(self._send_rest(connection, rest, closes=connection.is_last or not whole))

    async def _send_rest(self, connection: Connection, rest: bytes, *, closes: bool) -> None:
        await connection.send(rest)
        if closes:
            connection.close()

    async def _send_slowly(self, connection: Connection, reply: Reply, body: bytes) -> None:
        """Byte by byte for a while, or without end until the client has had enough."""
        settings, scale = self.vendors.behaviour.of(reply.vendor), self.vendors.clock.scale
        length = None if reply.endless else len(body)
        await connection.send(response(reply.status, b"", reply.media_type, reply.headers, length))
        if reply.endless:
            await connection.send(body)
            for _ in range(ENDLESS_BLOCKS):
                if connection.is_open:
                    await connection.send(bytes(2**16))
            connection.close()
            return
        step_s = max(0.02, 1 / (settings["drip_bytes_s"] * scale))
        step, until = max(1, round(settings["drip_bytes_s"] * scale * step_s)), steady() + settings["drip_s"] / scale
        while body and connection.is_open and steady() < until:
            await connection.send(body[:step])
            body = body[step:]
            await asyncio.sleep(step_s)
        await connection.send(body)

    async def _complete(self, told: dict[str, Any], job: Row, base: str) -> None:
        told["output"] = [await self._output(job, base)]

    # -- files -----------------------------------------------------------------------------------

    async def _made(self, job: Row, number: int = 0) -> bytes:
        tiny = self.vendors.behaviour.of(job["vendor"])["media"] == "tiny"
        if media.is_quick(job["kind"], tiny=tiny):
            return content_of(job, number, tiny=tiny)
        return await self._loop.run_in_executor(self._makers, lambda: content_of(job, number, tiny=tiny))

    async def _written(self, bulk: Row, role: str, base: str) -> bytes:
        said = lines.file_of(self.vendors, bulk, role)
        for number, (job, line) in enumerate(said):
            if line["response"] and line["response"]["status_code"] == 200:
                await self._complete(line["response"]["body"], job, base)
            if number % 100 == 99:
                await asyncio.sleep(0)  # others are waiting
        return lines.written([line for _, line in said], bulk["fault"] if role == "output" else "")

    async def _output(self, job: Row, base: str) -> dict[str, str]:
        media_type = media.TYPES[job["kind"]][0]
        if job["kind"] in ("text", "moderation"):
            return {"text": (await self._made(job)).decode(errors="replace"), "media_type": media_type}
        if self.vendors.behaviour.of(job["vendor"])["answers"] == "base64" and job["kind"] != "clip":
            return {"base64": base64.b64encode(await self._made(job)).decode(), "media_type": media_type}
        return {"url": files.link(self.vendors, job, base), "media_type": media_type}


def _at_usual_priority() -> None:
    """Drawing is in no hurry, however urgent the loop is (see __main__)."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, max(0, os.getpriority(os.PRIO_PROCESS, 0)))


def content_of(job: Row, number: int = 0, *, tiny: bool) -> bytes:
    mark = f"{job['id']}.{number}" if number else str(job["id"])
    if job["fault"] == "wrong_type":
        return media.wrong(job["kind"], mark)
    content = media.make(job["kind"], json.loads(job["request"]), mark, tiny=tiny)
    return content[: len(content) // 2] if job["fault"] == "broken_file" else content
