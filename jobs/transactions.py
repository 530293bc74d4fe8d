"""One way to run a function in a transaction, for the engine and for what people do."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from random import uniform
from time import sleep
from typing import ParamSpec, TypeVar

from django.db import InternalError, OperationalError, connection, transaction

FULL = 2  # PRAGMA synchronous: what is committed survives a power cut

P = ParamSpec("P")
R = TypeVar("R")
TRIES = 5


def atomically(function: Callable[P, R]) -> Callable[P, R]:
    """The whole function in one transaction; a deadlock or a busy database runs it again, five times at most."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, TRIES + 1):
            try:
                with transaction.atomic():
                    return function(*args, **kwargs)
            except (OperationalError, InternalError):
                if attempt == TRIES or connection.in_atomic_block:
                    raise
                sleep(uniform(0, 0.05 * 2**attempt))
        raise AssertionError("not reached")

    return run


def forgettably(function: Callable[P, R]) -> Callable[P, R]:
    """As above, but the commit does not wait for the disk: a power cut may take it back, the death of a process cannot.

    For what costs nothing but a question to the vendor when it is done again.
    """
    plainly = atomically(function)

    @atomically
    def hastily(*args: P.args, **kwargs: P.kwargs) -> R:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO OFF")
        return function(*args, **kwargs)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:  # the outer transaction decides
            return plainly(*args, **kwargs)
        if connection.vendor == "postgresql":
            return hastily(*args, **kwargs)
        with connection.cursor() as cursor:
            level = cursor.execute("PRAGMA synchronous").fetchone()[0]
            if level < FULL:
                return plainly(*args, **kwargs)
            cursor.execute("PRAGMA synchronous = NORMAL")
            try:
                return plainly(*args, **kwargs)
            finally:
                cursor.execute(f"PRAGMA synchronous = {level}")

    return run
