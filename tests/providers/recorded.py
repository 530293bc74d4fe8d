"""Recorded answers of vendors, and a server that gives them again.

tests/fixtures/providers/<slug>.json holds {"source": "https://…", "read": "2026-09", "base": "https://api…/v1",
"not_documented": ["moderated", …], "examples": {"name": example}}:

    {"call": "submit" | "poll" | "find" | "cancel" | …,
     "capability": "clip", "request": {…fields of Request…}, "arguments": ["id of the job"],
     "asks": ["POST /image_to_video"],
     "answers": [{"status": 200, "headers": {…}, "body": {…}}],
     "means": {"type": "Accepted", "external_id": "…"} or {"error": "Rejected", "moderated": true}}

`asks` is what leaves, below `base`, with its query. `answers` are given one after the other, one a request; "text" or
"base64" stand there for what is no JSON. {base} in them is the server's own address. Of `means` only what is named is
compared; `outputs` is how many there are, `value` what find or poll_many gives. `request` beside a poll is what had
been asked for. `not_documented` names what there is no example of, as the vendor says nothing of it: "OutOfCredit",
"Unauthorised", "moderated", or "POST /…" where its document lacks the path.
"""

from __future__ import annotations

import base64
import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from PIL import Image

from providers import wire
from providers.base import Adapter
from providers.exceptions import CallError
from providers.types import Capability, InputFile, Request

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "providers"
KEY = "sk-secret-0f5d6c"


@dataclass(frozen=True)
class Example:
    name: str
    said: dict[str, Any]

    def answers(self) -> list[dict[str, Any]]:
        return json.loads(json.dumps(self.said["answers"]))


def recording_of(slug: str) -> dict[str, Any]:
    path = FIXTURES / f"{slug}.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def examples_of(slug: str) -> list[Example]:
    return [Example(name, said) for name, said in recording_of(slug).get("examples", {}).items()]


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def what(self) -> str:
        """As in `asks`."""
        return f"{self.method} {self.path}"

    def fields(self) -> dict[str, Any]:
        """Of an object in JSON, or of a form."""
        media_type = self.headers.get("Content-Type", "")
        if "multipart" not in media_type:
            return dict(json.loads(self.body or b"{}"))
        form = BytesParser().parsebytes(b"Content-Type: " + media_type.encode() + b"\r\n\r\n" + self.body)
        parts: Any = form.get_payload()
        names = [str(part.get_param("name", header="content-disposition")) for part in parts]
        return {name: part.get_payload(decode=True).decode("latin-1") for name, part in zip(names, parts, strict=True)}


@dataclass
class Recorder:
    """`script` answers what comes, one a request; then 418. An answer "hang" or "reset" is none, and one that is
    "drip" never comes to its end."""

    url: str
    script: list[Any]
    asked: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


_sessions: dict[str, requests.Session] = {}  # of recorders that are there; closed with them


@contextmanager
def playing(answers: list[Any]) -> Iterator[Recorder]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer on a kept connection takes 40 ms

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            recorder.asked.append(Asked(self.command, self.path, dict(self.headers), body))
            answer = recorder.script.pop(0) if recorder.script else {"status": 418, "text": "no more"}
            if answer == "hang":
                recorder.released.wait(10)
                self.close_connection = True
                return
            if answer == "reset":
                self.connection.close()
                self.close_connection = True
                return
            if answer == "drip":
                self.drip()
                return
            self.give(answer)

        def drip(self) -> None:
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _ in range(500):
                self.wfile.write(b" ")
                if recorder.released.wait(0.02):
                    return

        def give(self, answer: dict[str, Any]) -> None:
            content, media_type = content_of(answer, recorder.url)
            self.send_response(answer.get("status", 200))
            headers = {"Content-Type": media_type, **answer.get("headers", {}), "Content-Length": str(len(content))}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    recorder = Recorder(url=f"http://127.0.0.1:{server.server_address[1]}", script=list(answers))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    _sessions[recorder.url] = wire.session()
    try:
        yield recorder
    finally:
        recorder.released.set()
        _sessions.pop(recorder.url).close()
        server.shutdown()
        server.server_close()
        thread.join(5)


def content_of(answer: dict[str, Any], base: str) -> tuple[bytes, str]:
    if "text" in answer:
        return answer["text"].encode(), "text/html"
    if "base64" in answer:
        return base64.b64decode(answer["base64"]), "application/octet-stream"
    return json.dumps(answer.get("body")).replace("{base}", base).encode(), "application/json"


def adapter_at(adapter: type[Adapter], url: str, folder: Path, **more: Any) -> Adapter:
    session = _sessions.get(url) or wire.session()
    return adapter(workdir=folder / "work", base_url=url, key=KEY, session=session, **more)


def request_of(
    example: Example | None, adapter: type[Adapter], folder: Path, capability: str = "", **changes: Any
) -> Request:
    """The request of an example; of its capability, or the first one, where it names none."""
    said = dict(example.said.get("request", {})) if example else {}
    capability = capability or (example.said.get("capability", "") if example else "")
    kind = Capability(capability or sorted(adapter.capabilities)[0])
    offer = next((spec.name for spec in adapter.offers if spec.capability == kind), "model")
    usual = {
        "offer": offer,
        "prompt": "a lake at dawn",
        "width": 1280,
        "height": 720,
        "seconds": 5.0 if kind is Capability.CLIP else 0.0,
        "seed": 7,
        "tag": "a" * 32,
        "inputs": (a_picture(folder),) if kind is Capability.CLIP else (),
    }
    return Request(capability=kind, **{**usual, **said, **changes})


def a_picture(folder: Path, role: str = "image") -> InputFile:
    path = folder / "picture.png"
    if not path.exists():
        Image.new("RGB", (64, 36), "teal").save(path)
    url = "https://media.example/picture.png"
    return InputFile(path=path, sha256="0" * 64, media_type="image/png", role=role, url=url)


def play(example: Example, adapter: type[Adapter], recorder: Recorder, folder: Path, **more: Any) -> Any:
    """What the adapter makes of it; a CallError is returned, not raised."""
    speaking = adapter_at(adapter, recorder.url, folder, **more)
    call = example.said["call"]
    try:
        if call == "submit":
            return speaking.submit(request_of(example, adapter, folder))
        return getattr(speaking, call)(*example.said.get("arguments", ["job-1"]))
    except CallError as error:
        return error


def differences(found: Any, means: dict[str, Any]) -> dict[str, Any]:
    """Where what was made of it is not what it means: {name: what was found}."""
    kind = means.get("error") or means.get("type")
    wrong = {} if type(found).__name__ == kind else {"type": found}
    for name, value in means.items():
        if name in ("error", "type"):
            continue
        got = getattr(found, name, None)
        if name == "outputs" and isinstance(value, int):
            got = len(got or ())
        if name == "units":
            got = dict(got or {})
        if name == "value":
            got = {id: type(answer).__name__ for id, answer in found.items()} if isinstance(found, dict) else found
        if name in ("reason", "message", "detail"):
            if str(value).lower() not in str(got).lower():
                wrong[name] = got
        elif got != value:
            wrong[name] = got
    return wrong


STRANGE = [None, 7, -1, 1e300, True, "", "nonsense", [], {}, [[]], [None], {"x": 1}]


def mangled(body: Any) -> Iterator[Any]:
    """Every field missing once, and once each of what it should not be."""
    for path in paths(body):
        without = copy.deepcopy(body)
        at(without, path[:-1]).pop(path[-1])
        yield without
        for strange in STRANGE:
            changed = copy.deepcopy(body)
            at(changed, path[:-1])[path[-1]] = strange
            yield changed


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*before, name)
        yield from paths(inner, (*before, name))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value
