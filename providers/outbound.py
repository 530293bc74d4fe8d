"""The only way to fetch what a vendor's answer names: a checked address, one GET, no redirect, no key, a deadline.

Written on a socket of its own, because here every byte must come from the address that was checked: no proxy,
no .netrc, no cookies, no second name lookup.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import certifi

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]

ANY_PUBLIC_HOST = "*"
NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
NOT_IN_A_LINK = re.compile(r"[\x00-\x20\x7f\\]")
UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
# Public by the registries' letter, yet they lead to other addresses or into a cloud's own machinery.
REFUSED = [
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # carrier-grade NAT, and Alibaba's metadata
        "168.63.129.16/32",  # Azure's host
        "169.254.0.0/16",  # link local, and most clouds' metadata
        "192.0.0.0/24",  # protocol assignments, and Oracle's metadata
        "192.88.99.0/24",  # 6to4 relays
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "64:ff9b::/96",  # NAT64
        "::ffff:0:0/96",  # IPv4 written as IPv6
    )
]


class OutboundError(Exception):
    """`message` is fit to show a user and holds no query string, since signed links are secrets."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Blocked(OutboundError):
    """We will not go there, now or later."""


class Unreachable(OutboundError):
    """It could not be reached or broke off: later may be better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    connect_s: float = 5.0
    read_s: float = 30.0
    total_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a link leads, checked."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == 443 and self.scheme == "https" else f"{name}:{self.port}"


def is_public(address: IpAddress) -> bool:
    """Stricter than `is_global`, which lets NAT64, 6to4, multicast and IPv4-in-IPv6 pass."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in UNICAST_V6:
        return False
    return not any(address in network for network in REFUSED if network.version == address.version)


def host_is_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    """`media.example.com` allows itself, `.example.com` itself and all below it, `*` every name."""
    for entry in (name.lower() for name in allowed):
        if entry == ANY_PUBLIC_HOST or host == entry.removeprefix("."):
            return True
        if entry.startswith(".") and host.endswith(entry):
            return True
    return False


def lookup(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"The name {host} could not be looked up.") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check(url: str, *, allowed: tuple[str, ...], allow_loopback: bool, resolve: Resolve = lookup) -> Target:
    """Raises Blocked unless the link leads to an allowed host, all of whose addresses are public."""
    parts, host, port = _parts(url)
    if not host_is_allowed(host, allowed):
        raise Blocked(f"The result's link names {host}, which is not a host of this provider.")
    literal = _literal(host)
    on_this_machine = allow_loopback and (host == "localhost" or (literal is not None and literal.is_loopback))
    if not on_this_machine and (parts.scheme != "https" or port != 443):
        raise Blocked(f"The result's link to {host} is not plain https on port 443.")
    addresses = [str(literal)] if literal else resolve(host, port)
    if not addresses:
        raise Unreachable(f"The name {host} has no address.")
    for address in addresses:
        _check_address(address, host=host, on_this_machine=on_this_machine)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/?%:@!$&'()*+,;=~-._")
    return Target(
        scheme=parts.scheme,
        host=host,
        port=port,
        path=f"{path}?{query}" if query else path,
        addresses=tuple(addresses),
    )


def _check_address(text: str, *, host: str, on_this_machine: bool) -> None:
    address = _literal(text)
    if address is None:
        raise Blocked(f"{host} leads to an address that cannot be read.")
    if on_this_machine and address.is_loopback:
        return
    if not is_public(address):
        raise Blocked(f"{host} leads to an address that is not public ({address}).")


def _parts(url: str) -> tuple[SplitResult, str, int]:
    if NOT_IN_A_LINK.search(url):
        raise Blocked("The result's link holds blanks, control characters or backslashes.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Blocked("The result's link cannot be read.") from error
    if parts.scheme not in ("https", "http"):
        raise Blocked("The result's link is not an https link.")
    if parts.username is not None or parts.password is not None:
        raise Blocked("The result's link holds a user name.")
    literal = _literal(host)
    if literal is None and (not NAME.fullmatch(host) or _ends_in_number(host)):
        raise Blocked("The result's link has no host name of letters, digits and hyphens.")
    return parts, host, port if port is not None else {"https": 443, "http": 80}[parts.scheme]


def _literal(host: str) -> IpAddress | None:
    """None also for zones (`fe80::1%eth0`) and the short, octal and hexadecimal ways to write IPv4."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _ends_in_number(host: str) -> bool:
    """2130706433, 0x7f.1, 127.1: the system's resolver takes such names for addresses."""
    last = host.rsplit(".", 1)[-1]
    return last.isdigit() or last.startswith("0x")


class _Stream(io.RawIOBase):
    """A connected socket that gives up when the whole exchange has lasted too long, however slowly it drips."""

    def __init__(self, sock: socket.socket, *, read_s: float, ends_at: float) -> None:
        self.sock, self.read_s, self.ends_at = sock, read_s, ends_at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for this download is over")
        self.sock.settimeout(min(self.read_s, left))
        return self.sock.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:  # what HTTPResponse asks of a socket
        return io.BufferedReader(self, 64 * 1024)


def _connect(target: Target, pace: Pace) -> socket.socket:
    sock = _first_that_answers(target, pace)
    if target.scheme == "http":
        return sock
    try:
        context = ssl.create_default_context(cafile=certifi.where())
        return context.wrap_socket(sock, server_hostname=target.host)
    except (OSError, ValueError) as error:
        sock.close()
        raise Unreachable(f"{target.host} could not prove who it is.") from error


def _first_that_answers(target: Target, pace: Pace) -> socket.socket:
    trouble: OSError | None = None
    for address in target.addresses:
        try:
            return socket.create_connection((address, target.port), timeout=pace.connect_s)
        except OSError as error:
            trouble = error
    raise Unreachable(f"{target.host} could not be reached.") from trouble


@contextmanager
def _said_plainly(host: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise Unreachable(f"{host} was too slow.") from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{host} broke off.") from error


class Answer:
    """An answer whose body has not been read yet."""

    def __init__(self, response: http.client.HTTPResponse, host: str) -> None:
        self.status, self.host, self._response = response.status, host, response

    def header(self, name: str) -> str:
        return self._response.getheader(name, "") or ""

    @property
    def length(self) -> int | None:
        """What Content-Length promises; None without one, or with one that is no number."""
        text = self.header("Content-Length")
        return int(text) if text.isdecimal() else None

    def chunks(self) -> Iterator[bytes]:
        while True:
            with _said_plainly(self.host):
                chunk = self._response.read1(64 * 1024)
            if not chunk:
                return
            yield chunk


@contextmanager
def get(target: Target, *, pace: Pace) -> Iterator[Answer]:
    """The answer to one GET, whatever its status. Of its own raises Unreachable only."""
    ends_at = time.monotonic() + pace.total_s
    sock = _connect(target, pace)
    request = (
        f"GET {target.path} HTTP/1.1\r\nHost: {target.host_header}\r\nUser-Agent: vidbatch\r\n"
        "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )
    try:
        with _said_plainly(target.host):
            sock.sendall(request.encode("ascii"))
            stream: Any = _Stream(sock, read_s=pace.read_s, ends_at=ends_at)
            response = http.client.HTTPResponse(stream, method="GET")
            response.begin()
        yield Answer(response, target.host)
    finally:
        sock.close()
