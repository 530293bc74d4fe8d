"""Where the pages are: on this machine only, on the next free port when the wanted one is taken."""

from __future__ import annotations

import http.client
import socket

HOST = "127.0.0.1"
PORTS_TRIED = 50


def listen(port: int) -> socket.socket:
    """A bound socket. It is handed to every web server that is started, so that no request is ever refused."""
    for candidate in range(port, min(port + PORTS_TRIED, 65536)):
        if _is_answered(candidate):
            continue
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, candidate))
            listener.listen(512)
        except OSError:
            listener.close()
            continue
        return listener
    raise OSError(f"No port from {port} to {port + PORTS_TRIED - 1} is free. Set VIDBATCH_PORT to another one.")


def _is_answered(port: int) -> bool:
    """Some systems let two programs bind one port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0


def url_of(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}/"


def answers(listener: socket.socket, *, timeout_s: float = 0.5) -> bool:
    connection = http.client.HTTPConnection(HOST, listener.getsockname()[1], timeout=timeout_s)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
