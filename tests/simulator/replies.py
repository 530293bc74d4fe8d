"""What is asked, and what is to be answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .books import Row


@dataclass(slots=True)
class Reply:
    status: int = 200
    vendor: str = ""  # whose settings say how slowly it is sent
    body: Any = None  # bytes are sent as they are, the rest as JSON
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    at: float = 0.0  # virtual moment, before which nothing is answered
    lost: str = ""  # "close" or "reset": the connection ends without an answer
    outputs: list[tuple[dict[str, Any], Row]] = field(default_factory=list)  # parts of the body that get their output
    content: Row | None = None  # the job whose file is the body, the first or that of `number`
    number: int = 0
    made: list[tuple[Row, int]] = field(default_factory=list)  # (job, number of its file): contents that `shape` gets
    shape: Callable[[list[bytes]], Any] | None = None  # makes the body of them, bytes or JSON, when all are there
    lines_of: tuple[Row, str] | None = None  # the bulk job whose output or error file is the body
    sent_share: float = 1.0  # of the body, while Content-Length promises all of it
    drips: bool = False  # the body comes byte by byte
    endless: bool = False  # or never ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    at: float  # virtual moment of arrival
    vendor: str
    method: str
    path: tuple[str, ...]  # behind the vendor
    query: dict[str, str]
    body: dict[str, Any]
    key: str
    raw: bytes = b""  # the body as it came
    media_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    base: str = ""  # the vendor's address as the client called it: http://127.0.0.1:8900/jobs


def error(status: int, code: str, **headers: str) -> Reply:
    return Reply(status=status, body={"error": {"code": code, "message": code.replace("_", " ")}}, headers=headers)


def no_answer(fault: str, *, at: float = 0.0) -> Reply:
    """For faults that begin with "lose", "reset" or "hang"."""
    return Reply(lost="reset" if fault.startswith("reset") else "close", at=at)
