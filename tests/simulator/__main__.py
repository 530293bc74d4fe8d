from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from .books import Books
from .clock import Clock
from .server import Server
from .settings import Behaviour
from .vendor import Vendors


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--books", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the process that started this one")
    chosen = parser.parse_args()
    books = Books(chosen.books)
    behaviour = Behaviour(books.fact("settings", {}), chosen.seed)
    sys.setswitchinterval(0.0005)  # a thread that draws a picture must not keep a request waiting
    server = Server(chosen.port, Vendors(books, Clock(books.epoch(), chosen.scale), behaviour), chosen.seed)
    if chosen.until_stdin_closes:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    print(json.dumps({"url": server.url, "pid": os.getpid()}), flush=True)
    with suppress(KeyboardInterrupt):
        asyncio.run(server.serve_forever())


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
