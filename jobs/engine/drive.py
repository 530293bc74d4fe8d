"""Moves work until its slice is over: claims, hands calls to threads, books what came back, sleeps till more is due.

Threads do HTTP, files and waiting for subprocesses; this one thread touches the database. Everything it knows is in
the rows: ending it at any point, or running two at once, loses and doubles nothing.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections
from django.db.models import Q

from jobs.models import Step, Worker
from jobs.states import State
from providers import registry
from providers.media import sandbox
from providers.models import Provider

from . import (
    asking,
    calls,
    checking,
    hooks,
    looks,
    reconcile,
    recovery,
    sweep,
    taking,
    worker,
)
from .booking import AWAY, Booking
from .bulk import Bulk
from .claim import claim
from .clock import now_utc
from .failpoints import failpoint
from .housekeeping import Housekeeping
from .poll_places import PollPlaces
from .pool import Pool
from .requests import Ticket
from .roles import GENERATION, MEDIA, MEDIA_SLUG, stop_flag
from .spill import Spill
from .steady import AGES_S, Steady
from .suspects import Suspects
from .waits import Waits

log = logging.getLogger(__name__)

NEWS_EVERY_S = 0.05  # looks for what other processes have done, while there is work …
LOOK_EVERY_S = 0.5  # … and while there has been none for so long:
QUIET_S = 10.0
AHEAD_S = 1.0  # places are claimed so long before their moment: threads and connections are ready by then
AWAY_S = settings.LONGEST_CALL_S  # all outages of a drive together; most leases are over by then
ASK_AGAIN_S = 1.0
SPARE = 4  # one thread in so many is left for what is short
HOOK_EVERY_S = 0.05  # one indexed question whether a webhook made a job due


class Drive:
    """One drive of one role in this process."""

    def __init__(
        self,
        role: str,
        *,
        slice_s: float,
        clock: Callable[[], datetime] = now_utc,
        before_drain: Callable[[], None] = lambda: None,
    ) -> None:
        self.role, self.before_drain, self._clock = role, before_drain, clock
        self.ends_at = monotonic() + slice_s
        self.worker: Worker = worker.enlist(role, clock())
        failpoint("after_enlist")
        self.steady = Steady(min(AGES_S, slice_s / 2), worker=self.worker)
        self.house = Housekeeping(self.worker, self.clock)
        self.pool = Pool(settings.CALL_THREADS if role == GENERATION else settings.MEDIA_PLACES)
        self.stopping = threading.Event()
        self.bulk = Bulk(self.worker, self.clock, self.pool, self.stopping, self.steady)
        self.waits = Waits()
        self.poll_places = PollPlaces()
        self.claimed_last = ""  # the provider whose turn it was
        self.spill = Spill(str(self.worker.pk)) if role == GENERATION else None
        self.booking = Booking(self.waits, self.spill, self.clock)
        self.away_until: float | None = None
        self.alone = False  # a step that once ended its process is being worked on
        self.suspects = Suspects(State.FETCHING if role == GENERATION else State.CHECKING, self._is_mine)
        self.awaits_hooks = role == GENERATION and any(map(hooks.is_expected, registry.all_adapters()))
        self.began = self.clock()  # the last round: what became due since then has not been looked at
        self.stirred = monotonic()  # when anything was begun or booked

    def clock(self) -> datetime:
        now = self._clock()
        self.steady.notice(now, monotonic())
        return now

    def run(self) -> None:
        """Until the slice is over or the stop flag is up; then lets what runs come to its end."""
        if not gc.get_freeze_count():  # what is loaded stays: to look through it takes 40 ms, in the middle of anything
            gc.freeze()
        try:
            while not self._is_over():
                self._outliving_the_database(claiming=True)
            failpoint("before_drain")
            self.before_drain()
            self._drain()
            with suppress(*AWAY):  # what it wrote last may have been by a clock that was put right meanwhile
                self.steady.look(self.clock(), monotonic())
        except Exception:
            with suppress(DatabaseTrouble):  # which may be what ended it
                Worker.objects.filter(pk=self.worker.pk).update(erred=True)
                if self.pool.busy:  # nobody could drive until those have ended
                    self.before_drain()
            raise
        finally:
            # The lock says that this sender lives: it is given back when no thread can send any more.
            self.pool.shutdown(meanwhile=self._say_that_it_lives)
            self._let_go()
            Worker.objects.filter(pk=self.worker.pk).update(ended_at=self.clock())

    def _say_that_it_lives(self) -> None:
        """One that an error has ended may wait for minutes for what is out; the watchdog would take it for deaf."""
        with suppress(DatabaseTrouble):
            self.house.say_seen()

    def step_once(self) -> bool:
        """One round, for tests and commands: True while something is under way or becomes due within a minute."""
        did = self._round(claiming=True)
        return did or bool(self.pool.busy) or self._has_waiting()

    def close(self) -> None:
        self.stopping.set()
        try:
            self._drain()
        finally:
            self.pool.shutdown()
            self._let_go()

    def _let_go(self) -> None:
        if self.spill:
            self.booking.keep()
            self.spill.close()
        worker.let_go(str(self.worker.pk))

    # -- a database that goes away ---------------------------------------------------------------

    def _outliving_the_database(self, *, claiming: bool) -> None:
        """One round. When the database goes away, calls go on and what they bring is booked once it is back.

        The slice ends with that: what was half begun is put back by the drain, and a successor starts afresh.
        """
        try:
            self._round(claiming=claiming)
        except AWAY as error:
            log.warning("the database does not answer; what comes back is kept until it does: %s", error)
            self.ends_at = monotonic()
            self.away_until = self.away_until or monotonic() + AWAY_S
            self._book_when_it_is_back(error)
            log.warning("the database answers again; all that came back is booked")

    def _book_when_it_is_back(self, error: Exception) -> None:
        """Raises the error when the database stays away, or when everything is to stop."""
        while True:
            self.booking.keep()
            is_stopped = stop_flag(self.role).exists() and not self.pool.paid
            if is_stopped or monotonic() > (self.away_until or 0.0):
                raise error
            time.sleep(ASK_AGAIN_S)
            with suppress(*AWAY):
                close_old_connections()
                Worker.objects.filter(pk=self.worker.pk).update(seen_at=self.clock())
                self.booking.book({})
                return

    # -- one round -------------------------------------------------------------------------------

    def _round(self, *, claiming: bool) -> bool:
        """True when something was begun or booked."""
        self.steady.look(self.clock(), monotonic())
        begun = self._begin() if claiming else 0
        found = self._wait(busy=bool(begun))
        self.poll_places.hear(chain.from_iterable(found.get("poll", ())), monotonic())
        self.booking.book(found)
        self.house.keep()
        if begun or found:
            self.stirred = monotonic()
        return bool(begun or found)

    def _begin(self) -> int:
        now = self.began = self.clock()
        if self.house.disk_is_full():
            return self._ask(now)
        suspects = self.suspects.look(now, is_idle=not self.pool.busy)
        if self.alone or suspects:  # a step that once ended its process is worked on with nothing beside it
            if self.pool.busy:  # jobs are asked about while others are awaited anyway; alone they soon come to an end
                return 0 if self.alone or self.pool.asking == self.pool.busy else self._ask(now)
            self.alone = self._begin_alone(suspects, now)
            if self.alone:
                return 1
        if self.role != GENERATION:
            return self._claim_all(now, self.pool.idle) + self._check(now, alone=False)
        # Where a place came free new calls go first, while threads abound. Then what is short and brings home what is
        # paid for: new calls would take every thread again and again.
        again = self._claim_all(now, self.pool.idle - self.pool.size // SPARE - 1) if self.waits.freed else 0
        self.waits.freed = 0
        asked = self._ask(now)
        begun = again + asked + self._fetch(now, alone=False) + self._claim_all(now, self.pool.idle) + self._sweep()
        return begun + self.bulk.begin(self._my_slugs)

    def _begin_alone(self, suspects: list[tuple[str, str]], now: datetime) -> bool:
        for state, slug in suspects:
            if state == State.READY:
                begun = self._claim(slug, 1, alone_only=True)
                if not begun:
                    self.suspects.tried_in_vain(slug, now)
            else:
                begun = self._fetch(now, alone=True) if state == State.FETCHING else self._check(now, alone=True)
            if begun:
                return True
        return False

    def _claim_all(self, now: datetime, most: int) -> int:
        """At most so many; of the providers in turn, or one that could use every thread would get them all."""
        if min(most, self.pool.idle) <= 0:
            return 0
        begun = 0
        self.waits.forget_past(now)
        slugs = looks.with_ready_steps(now, but_for_lanes=self.waits.full_lanes())
        for slug in sorted(slugs, key=lambda slug: (slug <= self.claimed_last, slug)):
            places = min(most - begun, self.pool.idle)
            if places > 0 and self._is_mine(slug) and self.waits.is_worth_a_try(slug):
                begun += self._claim(slug, places)
        return begun

    def _claim(self, slug: str, places: int, *, alone_only: bool = False) -> int:
        paid = not registry.get(slug).local
        if self.steady.must_wait(self.clock(), monotonic()) and paid:
            return 0
        claimed = claim(slug, self.worker, places, self.clock, alone_only=alone_only, ahead_s=AHEAD_S)
        if claimed.tickets:
            self.claimed_last = slug
            failpoint("after_claim")
        if not alone_only:
            self.waits.claimed(slug, claimed, places, self.clock())
        self.pool.grow(len(claimed.tickets))
        for ticket in claimed.tickets:
            self.pool.start("call", self._submitting(ticket, paid=paid), paid=paid)
        return len(claimed.tickets)

    def _submitting(self, ticket: Ticket, *, paid: bool) -> Callable[[], calls.Answer]:
        def report_wire(attempt_id: int, at: datetime) -> None:
            self.pool.results.put(("wire", (ticket.slug, attempt_id, at)))

        def work() -> calls.Answer:
            answer = calls.submit(ticket, report_wire, self.stopping)
            if paid and self.spill:
                self.spill.arrived(answer)
            return answer

        return work

    def _is_mine(self, slug: str) -> bool:
        """A provider whose adapter is gone is nobody's: its steps wait, and nothing else is harmed."""
        return (slug == MEDIA_SLUG) == (self.role == MEDIA) and slug in registry.all_adapters()

    def _ask(self, now: datetime) -> int:
        """The vendors: about jobs that are due, for answers that were lost."""
        if self.role != GENERATION or not self.pool.idle:
            return 0
        begun = 0
        places = self.poll_places.left(self.pool)
        if places > 0 and looks.some_poll_is_due(now):
            ages = self.steady.tells_ages(self.clock(), monotonic())
            each = self.poll_places.of_each(self._my_slugs(), self.pool, monotonic())
            groups = taking.due_polls(list(each), places, now, ages=ages, each=each)
            begun += self._start_all("poll", map(self._polling, groups))
        if self.pool.idle and looks.some_answer_is_to_be_found(now):
            tickets = taking.due_finds(self._my_slugs(), self.pool.idle, now)
            begun += self._start_all("find", map(self._finding, tickets))
        return begun

    def _start_all(self, kind: str, questions: Iterable[Callable[[], Any]]) -> int:
        begun = 0
        for work in questions:
            failpoint(f"before_{kind}")
            self.pool.start(kind, work)
            begun += 1
        return begun

    def _my_slugs(self) -> list[str]:
        return [slug for slug in Provider.objects.values_list("slug", flat=True) if self._is_mine(slug)]

    def _polling(self, tickets: list[Ticket]) -> Callable[[], list[calls.Answer]]:
        return self.poll_places.counted(tickets[0].slug, lambda: asking.poll(tickets, self.stopping))

    def _finding(self, ticket: Ticket) -> Callable[[], calls.Answer]:
        if reconcile.is_keyed(ticket):
            return lambda: calls.submit(ticket, lambda *_: None, self.stopping)
        return lambda: calls.find(ticket, self.stopping)

    def _fetch(self, now: datetime, *, alone: bool) -> int:
        if not self.pool.idle or not looks.some_link_is_due(now):
            return 0
        steps = taking.take(State.FETCHING, self.worker, self.pool.idle, now, lease_s=taking.FETCH_LEASE_S, alone=alone)
        failpoint("after_take")
        for ticket in taking.fetch_tickets(steps, now):
            self.pool.start("fetch", self._fetching(ticket))
        return len(steps)

    def _fetching(self, ticket: Ticket) -> Callable[[], calls.Answer]:
        return lambda: calls.fetch(ticket, self.stopping)

    def _check(self, now: datetime, *, alone: bool) -> int:
        if not self.pool.idle or not looks.some_file_is_due(now):
            return 0
        steps = taking.take(State.CHECKING, self.worker, self.pool.idle, now, lease_s=taking.CHECK_LEASE_S, alone=alone)
        failpoint("after_take")
        for ticket in checking.tickets_for(steps):
            self.pool.start("check", self._examining(ticket))
        return len(steps)

    def _examining(self, ticket: checking.CheckTicket) -> Callable[[], checking.Checked]:
        return lambda: checking.examine(ticket)

    def _sweep(self) -> int:
        begun = self.house.sweeps[: self.pool.idle]
        del self.house.sweeps[: len(begun)]
        for due in begun:
            self.pool.start("sweep", self._listing(due))
        return len(begun)

    def _listing(self, due: sweep.Sweep) -> Callable[[], calls.Answer]:
        return lambda: calls.list_jobs(due.ticket, due.since, due.until, self.stopping)

    def _wait(self, *, busy: bool) -> dict[str, list[Any]]:
        """For results, or for the next moment that is known. Where webhooks may come, they are looked for often."""
        ends_at = monotonic() + self._nap_s(busy=busy)
        while True:
            left_s = ends_at - monotonic()
            if not self.awaits_hooks or left_s <= HOOK_EVERY_S:
                return self.pool.gather(max(0.0, left_s))
            found = self.pool.gather(HOOK_EVERY_S)
            if found or looks.some_poll_is_due(self.clock()):
                return found

    def _nap_s(self, *, busy: bool) -> float:
        if busy:
            return 0.02
        now = self.clock()
        soon = self.waits.moments() if self.pool.idle else ()
        nearest = looks.next_moment(self.began, now + timedelta(seconds=1))
        moments = [*soon, *([nearest] if nearest else [])]
        most = NEWS_EVERY_S if self.pool.busy or monotonic() - self.stirred < QUIET_S else LOOK_EVERY_S
        wait = min(((moment - now).total_seconds() for moment in moments), default=most)
        return max(0.001, min(wait, most))

    def _has_waiting(self) -> bool:
        """Something is out at a vendor, or becomes due within a minute."""
        soon = Step.objects.filter(not_before__lt=self.clock() + timedelta(seconds=60))
        out = [State.RUNNING, State.FETCHING, State.CHECKING, State.UNKNOWN, State.CLAIMED]
        return soon.filter(Q(state__in=out) | Q(state=State.READY, not_before__gt=self.clock())).exists()

    # -- the end ---------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        if stop_flag(self.role).exists():
            self.stopping.set()
            return True
        return monotonic() > self.ends_at

    def _drain(self) -> None:
        """Paid calls end by themselves; local work is ended when the whole engine stops, and done again later."""
        Worker.objects.filter(pk=self.worker.pk).update(draining=True)
        said = False
        while self.pool.busy or self.booking.in_hand:
            if self._is_over() and self.stopping.is_set():
                sandbox.end_all()
                if self.pool.paid and not said:
                    said = True
                    log.warning("stopping: waiting for %s paid calls on the wire", self.pool.paid)
            self._outliving_the_database(claiming=False)
        recovery.free_own(self.worker, self.clock())
        failpoint("after_drain")
