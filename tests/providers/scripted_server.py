"""A server of one answer: it sends exactly the bytes given, and remembers what it was asked."""

import socket
import threading
from contextlib import contextmanager, suppress


class Scripted:
    def __init__(self, answer, hold, drip_s):
        self.asked = []
        self.released = threading.Event()
        self._answer, self._hold, self._drip_s = answer, hold, drip_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(65536))
                with suppress(OSError):  # whoever asked is gone
                    self._send(connection)
                if self._hold:
                    self.released.wait(10)

    def _send(self, connection):
        if not self._drip_s:
            connection.sendall(self._answer)
            return
        for byte in self._answer:
            connection.sendall(bytes([byte]))
            if self.released.wait(self._drip_s):
                return

    def close(self):
        self.released.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


def answer(body, *, status="200 OK", length=None, headers=()):
    lines = [f"HTTP/1.1 {status}", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def serving(sent, *, hold=False, drip_s=0.0):
    """`drip_s`: byte by byte, so long apart."""
    server = Scripted(sent, hold, drip_s)
    try:
        yield server
    finally:
        server.close()
