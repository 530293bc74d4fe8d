"""How many polls a drive may begin, and of which vendor: one that hangs is not to take every thread, and one that asks
us to slow down is asked about nothing for a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any

from providers.exceptions import RateLimited

from .calls import Answer
from .polling import pause_s
from .pool import Pool

SHARE = 4  # one thread in so many for the polls of one provider, and as many that no poll takes


class PollPlaces:
    """Of one drive. Polls that come back say so by themselves, whatever became of them."""

    def __init__(self) -> None:
        self._out: Counter[str] = Counter()  # calls under way, by provider
        self._back: SimpleQueue[str] = SimpleQueue()
        self._rests: dict[str, float] = {}  # provider -> until when, by the monotonic clock

    def left(self, pool: Pool) -> int:
        """The others are for what brings home what is done, and for new calls."""
        while not self._back.empty():
            self._out[self._back.get()] -= 1
        return min(pool.idle, pool.size - pool.size // SHARE - self._out.total())

    def of_each(self, slugs: Iterable[str], pool: Pool, tick: float) -> dict[str, int]:
        """The providers that have some."""
        most = max(1, pool.size // SHARE)
        awake = (slug for slug in slugs if self._rests.get(slug, tick) <= tick)
        return {slug: places for slug in awake if (places := most - self._out[slug]) > 0}

    def hear(self, answers: Iterable[Answer], tick: float) -> None:
        """A poll that was refused for haste holds back those of all other jobs there."""
        for answer in answers:
            if isinstance(answer.error, RateLimited):
                until = tick + pause_s(answer.error)
                self._rests[answer.ticket.slug] = max(until, self._rests.get(answer.ticket.slug, until))

    def counted(self, slug: str, poll: Callable[[], Any]) -> Callable[[], Any]:
        """The same work, which takes a place until it comes back."""
        self._out[slug] += 1

        def work() -> Any:
            try:
                return poll()
            finally:
                self._back.put(slug)

        return work
