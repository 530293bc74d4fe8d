"""How many polls a drive may begin, and of which vendor: one that hangs is not to take every thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any

from .pool import Pool

SHARE = 4  # one thread in so many for the polls of one provider, and as many that no poll takes


class PollPlaces:
    """Of one drive. Polls that come back say so by themselves, whatever became of them."""

    def __init__(self) -> None:
        self._out: Counter[str] = Counter()  # calls under way, by provider
        self._back: SimpleQueue[str] = SimpleQueue()

    def left(self, pool: Pool) -> int:
        """The others are for what brings home what is done, and for new calls."""
        while not self._back.empty():
            self._out[self._back.get()] -= 1
        return min(pool.idle, pool.size - pool.size // SHARE - self._out.total())

    def of_each(self, slugs: Iterable[str], pool: Pool) -> dict[str, int]:
        """The providers that have some."""
        most = max(1, pool.size // SHARE)
        return {slug: places for slug in slugs if (places := most - self._out[slug]) > 0}

    def counted(self, slug: str, poll: Callable[[], Any]) -> Callable[[], Any]:
        """The same work, which takes a place until it comes back."""
        self._out[slug] += 1

        def work() -> Any:
            try:
                return poll()
            finally:
                self._back.put(slug)

        return work
