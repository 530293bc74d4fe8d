"""HTTP around the vendors: reads a request, waits, makes the file, answers or hangs up."""

from __future__ import annotations

import base64
import json
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from . import media
from .books import Row
from .settings import BadControl
from .summary import books_of
from .vendor import Asked, Reply, Vendors, error

PHRASES = {200: "OK", 201: "Created"}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, vendors: Vendors) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.vendors = vendors

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own would ask the name service who we are

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed in mid-request is everyday life here; a mistake of ours is not."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, *args: Any) -> None:
        return

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        query, parts = dict(parse_qsl(url.query)), tuple(part for part in url.path.split("/") if part)
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            self._send(error(400, "not_json"))
            return
        if parts == ("books",):
            reply = Reply(body=books_of(self.server.vendors, query.get("vendor", "")))
        elif parts == ("control",):
            reply = self._control(body)
        else:
            reply = self._vendor(parts, query, body)
        self._send(reply)

    def _control(self, order: dict[str, Any]) -> Reply:
        vendors = self.server.vendors
        vendor = order.pop("vendor", "")
        if not vendor:
            return Reply(status=400, body={"error": "name the vendor"})
        with vendors.lock:
            try:
                vendors.behaviour.change(vendor, order)
            except BadControl as trouble:
                return Reply(status=400, body={"error": str(trouble)})
            vendors.books.keep_fact("settings", vendors.behaviour.kept)
            return Reply(body=vendors.behaviour.of(vendor))

    def _vendor(self, parts: tuple[str, ...], query: dict[str, str], body: dict[str, Any]) -> Reply:
        vendor, *path = parts or ("",)
        base = f"http://{self.headers.get('Host')}/{vendor}"
        key = self.headers.get("Idempotency-Key", "")
        asked = Asked(vendor=vendor, method=self.command, path=tuple(path), query=query, body=body, key=key, base=base)
        started = time.monotonic()
        reply = self.server.vendors.answer(asked)
        if reply.job and not reply.lost:
            reply.body = self._made(reply, asked)
        time.sleep(max(0.0, reply.wait_s - (time.monotonic() - started)))
        return reply

    def _made(self, reply: Reply, asked: Asked) -> Any:
        assert reply.job
        if asked.path[0] == "files":
            return content_of(reply.job)
        answers = self.server.vendors.behaviour.of(asked.vendor)["answers"]
        told = {**self.server.vendors.told(reply.job), "status": "succeeded"}
        return {**told, "output": [output_of(reply.job, base=asked.base, answers=answers)]}

    def _send(self, reply: Reply) -> None:
        if reply.lost:
            self.close_connection = True
            return
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        headers = {"Content-Type": reply.media_type, "Content-Length": str(len(body)), **reply.headers}
        head = f"HTTP/1.1 {reply.status} {PHRASES.get(reply.status, 'Error')}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        self.wfile.write(head.encode() + body[: int(len(body) * reply.sent_share)])
        if reply.sent_share < 1:
            self.close_connection = True


def content_of(job: Row) -> bytes:
    content = media.MAKERS[job["kind"]](json.loads(job["request"]), job["id"])
    return content[: len(content) // 2] if job["fault"] == "broken_file" else content


def output_of(job: Row, *, base: str, answers: str) -> dict[str, str]:
    media_type, extension = media.TYPES[job["kind"]]
    if job["kind"] in ("text", "moderation"):
        return {"text": content_of(job).decode(), "media_type": media_type}
    if answers == "base64" and job["kind"] != "clip":
        return {"base64": base64.b64encode(content_of(job)).decode(), "media_type": media_type}
    return {"url": f"{base}/files/{job['id']}.{extension}", "media_type": media_type}
