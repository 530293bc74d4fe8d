"""HTTP/1.1 by hand, as little of it as clients of a JSON interface speak, with the kernel's time of arrival."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

SO_TIMESTAMPNS = 35  # Linux: the kernel notes when a packet came in, however late we are to read it
MOST_BYTES = 256 * 2**20
PHRASES = {200: "OK", 201: "Created"}


@dataclass(slots=True)
class Message:
    """One request. `at` is the wall clock's time at which its last byte arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float


class Connection:
    """One client's connection. Its requests are answered one after the other, as it sends them."""

    def __init__(self, sock: socket.socket, arrived: Callable[[Connection, Message], None]) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._sock, self._arrived, self._unread = sock, arrived, b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._read)
        self.is_open, self.is_last = True, False  # the client asks for no more after this one
        self._is_sending = False

    def _read(self) -> None:
        try:
            data, notes, _, _ = self._sock.recvmsg(2**18, 64)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, notes = b"", []
        if not data:
            self.close()
            return
        self._unread += data
        try:
            while self.is_open and (message := self._cut(_moment(notes))):
                self._arrived(self, message)
        except ValueError:  # no HTTP
            self.close()

    def _cut(self, at: float) -> Message | None:
        """The first whole message of what was read, if there is one."""
        head, blank, rest = self._unread.partition(b"\r\n\r\n")
        if not blank:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length") or 0)
        if length > MOST_BYTES:
            self.close()
        if len(rest) < length or not self.is_open:
            return None
        self._unread = rest[length:]
        method, target, version = first.split(" ", 2)
        self.is_last = headers.get("connection", "").lower() == "close" or version == "HTTP/1.0"
        return Message(method, target, headers, rest[:length], at)

    async def send(self, data: bytes) -> None:
        """As much of it as the client wants to have."""
        if not self.is_open:
            return
        self._is_sending = True
        try:
            await self._loop.sock_sendall(self._sock, data)
        except OSError:
            self.close()
        finally:
            self._is_sending = False
            if not self.is_open:
                self._sock.close()

    def send_now(self, data: bytes) -> bytes:
        """What did not fit."""
        try:
            return data[self._sock.send(data) :] if self.is_open else b""
        except (BlockingIOError, InterruptedError):
            return data
        except OSError:
            self.close()
            return b""

    def close(self, *, reset: bool = False) -> None:
        if self.is_open:
            self.is_open = False
            if reset:  # what TCP does when nobody lingers to hear the rest
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._loop.remove_reader(self._sock)
            if not self._is_sending:
                self._sock.close()
                return
            with suppress(OSError):  # what is being sent fails by this, and closes it: the loop still knows its number
                self._sock.shutdown(socket.SHUT_RDWR)


def _moment(notes: list[Any]) -> float:
    """When what was just read came in; never more than a second ago, so that a jump of the clock does no harm."""
    now = time.time()
    for level, kind, data in notes:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            at = float(seconds + nanoseconds / 1e9)
            return at if 0 <= now - at < 1 else now
    return now


def response(status: int, body: bytes, media_type: str, headers: dict[str, str], length: int | None) -> bytes:
    """Head and body; `length` may promise more than there is, or nothing (then the end is where it is closed)."""
    named = {"Content-Type": media_type, **headers}
    named |= {"Connection": "close"} if length is None else {"Content-Length": str(length)}
    lines = [f"HTTP/1.1 {status} {PHRASES.get(status, 'Error')}", *(f"{name}: {said}" for name, said in named.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
