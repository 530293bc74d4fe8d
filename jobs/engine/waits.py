"""What a drive remembers of its claims: where there was no room, and until when another try is in vain."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from .calls import Answer
from .desk import Claim

TRY_AGAIN = timedelta(seconds=0.5)  # another lane may get work, or an admin make room, before the moment that is known
STAMPED = timedelta(seconds=0.03)  # after news from the wire: what is claimed next may leave earlier than was thought


class Waits:
    """`freed`: places that came free and have not been offered again."""

    def __init__(self) -> None:
        self.freed = 0
        self._until: dict[str, datetime] = {}  # provider -> when claiming may find room again
        self._by_clock: set[str] = set()  # providers where no answer brings that about any sooner
        self._full: dict[
            str, tuple[Collection[int], datetime]
        ] = {}  # lanes at their cap; a place of ours says so at once

    def forget_past(self, now: datetime) -> None:
        """And what a clock that was ahead has said; not what was learned since this round began."""
        last = now + 2 * TRY_AGAIN
        self._until = {slug: moment for slug, moment in self._until.items() if now < moment <= last}
        self._full = {slug: (lanes, moment) for slug, (lanes, moment) in self._full.items() if now < moment <= last}

    def is_worth_a_try(self, slug: str) -> bool:
        return slug not in self._until

    def full_lanes(self) -> set[int]:
        return {lane for lanes, _ in self._full.values() for lane in lanes}

    def moments(self) -> Collection[datetime]:
        return self._until.values()

    def claimed(self, slug: str, claim: Claim, places: int, now: datetime) -> None:
        if claim.full_lanes:
            self._full[slug] = (claim.full_lanes, now + TRY_AGAIN)
        if claim.again_at and len(claim.tickets) < places:
            self._until[slug] = min(claim.again_at, now + TRY_AGAIN)
            (self._by_clock.discard if claim.answers_make_room else self._by_clock.add)(slug)

    def stamped(self, slugs: Iterable[str], now: datetime) -> None:
        for slug in set(slugs) & self._until.keys():
            self._until[slug] = min(self._until[slug], now + STAMPED)

    def ended(self, answers: Collection[Answer]) -> None:
        self.freed += len(answers)
        for answer in answers:
            self._full.pop(answer.ticket.slug, None)
            if answer.error is not None or answer.ticket.slug not in self._by_clock:  # what was not sent counts no more
                self._until.pop(answer.ticket.slug, None)
