"""One way to run a function in a transaction, for the engine and for what people do."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from random import uniform
from time import sleep
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction

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
            except OperationalError:
                if attempt == TRIES or connection.in_atomic_block:
                    raise
                sleep(uniform(0, 0.05 * 2**attempt))
        raise AssertionError("not reached")

    return run
