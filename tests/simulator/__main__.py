from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from .books import Books
from .clock import Clock
from .server import Server
from .settings import Behaviour
from .vendor import Vendors


def main() -> None:
    chosen = _arguments()
    with tempfile.TemporaryDirectory() as passing:
        books = Books(chosen.books or Path(passing) / "books.sqlite")
        behaviour = Behaviour(books.fact("settings", {}), chosen.seed)
        vendors = Vendors(books, Clock(books.epoch(), chosen.scale), behaviour)
        for vendor, name, value in chosen.set:
            vendors.control(vendor, {name: value})
        _hurry()
        server = Server(chosen.port, vendors, chosen.seed)
        if chosen.until_stdin_closes:
            threading.Thread(target=_end_with_stdin, daemon=True).start()
        print(json.dumps({"url": server.url, "pid": os.getpid()}), flush=True)
        with suppress(KeyboardInterrupt):
            asyncio.run(server.serve_forever())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description="Vendors to practise on.")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes any free one")
    parser.add_argument("--books", type=Path, help="file of what was accepted and billed; without it, gone at the end")
    parser.add_argument("--scale", type=float, default=60.0, help="how many times as fast time passes (60)")
    parser.add_argument("--seed", type=int, default=1, help="of latencies and faults (1)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="VENDOR.NAME=JSON", help="e.g. jobs.concurrency=5"
    )
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the process that started this one")
    chosen = parser.parse_args()
    try:
        chosen.set = [_setting(text) for text in chosen.set]
        for vendor, name, value in chosen.set:
            Behaviour({}, 1).change(vendor, {name: value})
    except ValueError as trouble:
        parser.error(f"--set: {trouble}")
    if chosen.scale <= 0:
        parser.error("--scale: time has to pass, say 1 or 60")
    return chosen


def _setting(text: str) -> tuple[str, str, Any]:
    place, _, value = text.partition("=")
    vendor, _, name = place.partition(".")
    try:
        return vendor, name, json.loads(value)
    except ValueError:
        raise ValueError(f"{text!r} is not like jobs.latency_s='[10, 20]'; words need quotes of their own") from None


def _hurry() -> None:
    """It stands for another machine, which a client that keeps all cores of this one busy would not slow down."""
    sys.setswitchinterval(0.0005)  # a thread that draws a picture must not keep a request waiting
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -5)  # of this thread


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
