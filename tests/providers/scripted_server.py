"""A server of one answer: it sends exactly the bytes given, and remembers what it was asked."""

import socket
import threading
from contextlib import contextmanager


class Scripted:
    def __init__(self, answer, hold):
        self.asked = []
        self.released = threading.Event()
        self._answer, self._hold = answer, hold
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
                connection.sendall(self._answer)
                if self._hold:
                    self.released.wait(10)

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
def serving(sent, *, hold=False):
    server = Scripted(sent, hold)
    try:
        yield server
    finally:
        server.close()
