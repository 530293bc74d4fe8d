"""HTTP connections that are ready before their moment: connected, request built, then one look at the clock, then out.

Who counts requests has to know when one leaves, and who sends at a given moment must not build, look up names or shake
hands in it. So the announcement comes from the connection itself, right before its first byte.
"""

from __future__ import annotations

import io
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_thread = threading.local()
Leaving = Callable[[], Callable[[float], None] | None]
TICK_MS = 4  # by which the kernel counts
LAST_DATA_SENT = 44  # where it stands in struct tcp_info of Linux


class _Bounded(io.RawIOBase):
    """What is read of a socket, at the latest until a moment: a timeout of its own begins anew with every byte."""

    def __init__(self, raw: Any, sock: Any, until: float) -> None:
        self._raw, self._sock, self.until = raw, sock, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.until:
            left_s = self.until - monotonic()
            if left_s <= 0:
                raise TimeoutError("the headers did not come to an end")
            self._sock.settimeout(left_s)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """Its headers have to be there in time; whoever reads the body looks at the clock itself."""

    def __init__(self, sock: Any, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        until: float = getattr(_thread, "until", 0.0)
        self._bounded = _Bounded(self.fp.detach(), sock, until)
        self.fp = io.BufferedReader(self._bounded)

    def begin(self) -> None:
        super().begin()
        self._bounded.until = 0.0


class _Announcing:
    """Mixed into a connection. Its `send` is the only place that writes to the socket; `getresponse` comes after it."""

    sock: Any
    is_connected: bool

    def connect(self) -> None: ...

    def send(self, data: Any) -> None:
        leaving: Leaving | None = getattr(_thread, "leaving", None)
        if leaving is not None:
            _thread.leaving = None
            is_old = self.sock is not None
            if not is_old:
                self.connect()
            _thread.gone = leaving()
            if is_old and not self.is_connected:  # closed by the vendor meanwhile: what is written now gets no answer
                self.sock.close()
                self.connect()
            began = monotonic()
            super().send(data)  # type: ignore[misc]
            _thread.delay_s = max(0.0, monotonic() - began - _left_ago_s(self.sock))
        else:
            super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        gone: Callable[[float], None] | None = getattr(_thread, "gone", None)
        if gone is not None:
            _thread.gone = None
            gone(_left_ago_s(self.sock))
        return super().getresponse()  # type: ignore[misc]


def _left_ago_s(sock: Any) -> float:
    """How long ago the last byte left, at least; 0 where the system does not tell.

    A thread that has written waits for its turn to go on: among many that takes far longer than the write.
    """
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_DATA_SENT + 4)
        ms: int = struct.unpack_from("I", told, LAST_DATA_SENT)[0]
    except (AttributeError, OSError, struct.error):
        return 0.0
    return max(0, ms - TICK_MS) / 1000


class _Connection(_Announcing, HTTPConnection):
    response_class = _Response

    def connect(self) -> None:
        HTTPConnection.connect(self)


class _SecureConnection(_Announcing, HTTPSConnection):
    response_class = _Response

    def connect(self) -> None:
        HTTPSConnection.connect(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def session() -> requests.Session:
    """No proxy, no .netrc; announces what it sends."""
    made = requests.Session()
    made.trust_env = False
    for scheme in ("http://", "https://"):
        made.mount(scheme, _Adapter())
    return made


def exchange(
    by: requests.Session, method: str, url: str, timeout_s: tuple[float, float], headers: Mapping[str, str], **body: Any
) -> requests.Response:
    """One request, and the head of its answer; nothing is followed, and no cookie kept.

    Session.request does the same, and merges settings for it that are none: on the way of every call that is time.
    """
    prepared = requests.PreparedRequest()
    prepared.prepare(method=method, url=url, headers={**by.headers, **headers}, **body)
    return by.get_adapter(url).send(prepared, stream=True, timeout=timeout_s)


def delay_s() -> float:
    """How long the last request of this thread took from its announcement until it had left; 0 when that is unknown."""
    seconds: float = getattr(_thread, "delay_s", 0.0)
    _thread.delay_s = 0.0
    return seconds


@contextmanager
def announced(by: requests.Session, url: str, leaving: Leaving, *, until: float = 0.0) -> Iterator[None]:
    """What is sent inside calls `leaving` right before its first byte; what that raises, nothing is sent then.

    What `leaving` returns, if anything, is called when the last byte has left, with the seconds since then. The headers
    of the answer have to be there at `until`, by the monotonic clock; 0.0: whenever.
    """
    if not isinstance(by.get_adapter(url), _Adapter):
        leaving()
        yield
        return
    _thread.leaving, _thread.until = leaving, until
    try:
        yield
        if _thread.leaving is not None:  # answered by something that stands before the connection, as in tests
            leaving()
    finally:
        _thread.leaving = _thread.gone = None
        _thread.until = 0.0
