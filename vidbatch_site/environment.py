"""Reads VIDBATCH_* variables; one that cannot be understood stops the start with a sentence that names it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
WORDS_FOR_YES = {"1", "true", "yes", "on"}
WORDS_FOR_NO = {"0", "false", "no", "off"}


def load_dotenv(path: Path) -> None:
    """Variables from .env; those already set win."""
    if path.is_file():
        environ.Env.read_env(str(path), overwrite=False)


def read(name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        return parse(raw)
    except (ValueError, LookupError, OSError) as error:
        raise ImproperlyConfigured(
            f"{name} is {_without_password(raw)!r}, which cannot be understood: it should be {expected}. "
            f"Correct it in the environment or in .env, or leave it out to use the default."
        ) from error


def _without_password(raw: str) -> str:
    return re.sub(r"(://[^/@:]*):[^/]*@", r"\1:…@", raw)


def text(name: str, default: str = "") -> str:
    return read(name, default, str, "a text")


def yes_or_no(name: str, default: bool) -> bool:
    def parse(raw: str) -> bool:
        word = raw.lower()
        if word in WORDS_FOR_YES:
            return True
        if word in WORDS_FOR_NO:
            return False
        raise ValueError(raw)

    return read(name, default, parse, "1 or 0 (yes or no)")


def whole_number(name: str, default: int, *, least: int = 0, most: int = 10**9) -> int:
    def parse(raw: str) -> int:
        number = int(raw)
        if not least <= number <= most:
            raise ValueError(raw)
        return number

    return read(name, default, parse, f"a whole number from {least} to {most}")


def names(name: str, default: list[str]) -> list[str]:
    def parse(raw: str) -> list[str]:
        found = [part.strip() for part in raw.split(",") if part.strip()]
        if not found:
            raise ValueError(raw)
        return found

    return read(name, default, parse, "a list a,b,c")


def origins(name: str) -> list[str]:
    def parse(raw: str) -> list[str]:
        found = [part.strip() for part in raw.split(",")]
        if not all(urlsplit(each).scheme in {"http", "https"} and urlsplit(each).netloc for each in found):
            raise ValueError(raw)
        return found

    return read(name, [], parse, "a list of addresses like https://videos.example.org,https://example.org")


def address(name: str) -> str:
    """Without a slash at its end."""

    def parse(raw: str) -> str:
        parts = urlsplit(raw)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(raw)
        return raw.rstrip("/")

    return read(name, "", parse, "an address like https://videos.example.org")


def time_zone(name: str, default: str) -> str:
    def parse(raw: str) -> str:
        return ZoneInfo(raw).key

    return read(name, default, parse, "the name of a time zone like Europe/Berlin")


def redis_url(name: str) -> str:
    def parse(raw: str) -> str:
        parts = urlsplit(raw)
        if parts.scheme not in {"redis", "rediss", "unix"} or not (parts.hostname or parts.path):
            raise ValueError(raw)
        return raw

    return read(name, "", parse, "a Redis URL like redis://host:6379/0")


def folder(name: str, default: Path) -> Path:
    return read(name, default, lambda raw: Path(raw).expanduser().resolve(), "a folder")


def one_of(name: str, default: str, choices: set[str]) -> str:
    def parse(raw: str) -> str:
        if raw not in choices:
            raise ValueError(raw)
        return raw

    return read(name, default, parse, "one of " + ", ".join(sorted(choices)))


def database(name: str, default: dict[str, Any]) -> dict[str, Any]:
    def parse(raw: str) -> dict[str, Any]:
        if urlsplit(raw).scheme not in {"postgres", "postgresql", "sqlite"}:
            raise ValueError(raw)
        return dict(environ.Env.db_url_config(raw))

    return read(name, default, parse, "a database URL like postgres://user:password@host:5432/name or sqlite:////path")
