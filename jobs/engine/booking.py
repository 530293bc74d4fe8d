"""What came back to a drive: it stays in hand until it is written, whatever becomes of the database meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import chain
from typing import Any

from . import bulk_settle, checking, fetching, late, reconcile, settle, sweep
from .failpoints import failpoint
from .spill import Spill
from .waits import Waits

AWAY = settle.AWAY


class Booking:
    """Of one drive. `spill` keeps answers to paid calls on the disk; the media role has none."""

    def __init__(self, waits: Waits, spill: Spill | None, clock: Callable[[], datetime]) -> None:
        self.waits, self.spill, self.clock = waits, spill, clock
        self.in_hand: dict[str, list[Any]] = {}

    def book(self, found: dict[str, list[Any]]) -> None:
        """What came back, and the moments at which calls went on the wire. Stays in hand until it is written."""
        self._hold(found)
        found, now = self.in_hand, self.clock()
        booked = {answer.ticket.attempt_id for answer in found.get("call", ())}
        wire = found.get("wire", ())
        stamps = {attempt_id: min(at, now) for _, attempt_id, at in wire if attempt_id not in booked}
        if stamps:
            failpoint("before_stamp")
            settle.stamp_wire(stamps)
            self.waits.stamped((slug for slug, *_ in wire), now)
        found.pop("wire", None)
        ended = [*found.get("call", ()), *(answer for answer in found.get("poll", ()) if not answer.running)]
        for kind, book in (
            ("call", _settle_calls),
            ("lines", bulk_settle.settle_lines),
            ("bulk", bulk_settle.settle),
            ("poll", settle.settle_polls),
            ("find", reconcile.settle_found),
            ("fetch", fetching.settle_fetches),
            ("check", checking.settle_checks),
        ):
            if found.get(kind):
                failpoint("before_settle")
                settle.book_each(book, found[kind], now)  # booked twice, the second time nothing is ours any more
                if kind == "call" and self.spill:
                    self.spill.booked(found[kind])
                del found[kind]
                failpoint("after_settle")
        for answer in found.pop("sweep", ()):
            sweep.settle(answer, now)
        self.waits.ended(ended)

    def _hold(self, found: dict[str, list[Any]]) -> None:
        for kind, values in found.items():
            if kind in ("poll", "lines"):  # one call, several jobs
                values = list(chain.from_iterable(values))
            self.in_hand.setdefault(kind, []).extend(values)

    def keep(self) -> None:
        """Answers to paid calls that are not booked, on the disk: to be found by recovery if this process is killed."""
        if self.spill and self.spill.keep():
            failpoint("after_spill")


def _settle_calls(answers: list[Any], now: datetime) -> None:
    """Also those of calls that were taken for lost meanwhile."""
    late.settle_all_late(settle.settle_calls(answers, now), now)
