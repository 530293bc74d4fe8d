"""Answers after which something is left to do that no reader should wait for."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponse


class Answer(HttpResponse):
    """The server closes an answer when all of it was sent."""

    def __init__(self, content: str = "", *, status: int = 200, afterwards: Callable[[], None]) -> None:
        super().__init__(content, status=status)
        self.afterwards = afterwards

    def close(self) -> None:
        try:
            self.afterwards()
        finally:
            super().close()
