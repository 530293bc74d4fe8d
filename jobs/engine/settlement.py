"""What a handful of answers means, collected step by step and then written in few statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from jobs.advance import advance, mark
from jobs.models import Attempt, Step
from jobs.states import OWNED, State
from providers.models import Lane

from . import assets, books, polling
from .calls import Stored
from .failpoints import failpoint
from .lanes import News
from .rows import move, update_each

ADVANCE_AT_ONCE = 20  # videos; more are marked and advanced by the next drive


class Settlement:
    """Collects what a handful of answers means, then writes it in few statements."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.moves: list[books.Move] = []
        self.attempts: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}  # names of columns -> (value, …, pk)
        self.groups: dict[tuple[Any, ...], list[Step]] = {}
        self.files: list[tuple[Step, Sequence[Stored]]] = []  # what steps made
        self.each: list[tuple[Any, ...]] = []  # (links, message, pk) of steps
        self.polls: list[tuple[datetime, int]] = []  # (when to ask next, pk) of steps that run
        self.learned: dict[int, Lane] = {}  # lanes that know more of how long jobs take
        self.touched: set[int] = set()  # videos whose plan may change
        self.news = News(now)  # of lanes

    def go(self, step: Step, to: State, **changes: Any) -> None:
        key = (step.state, to, *changes.items())
        self.groups.setdefault(key, []).append(step)
        if to in (State.ATTENTION, State.DONE, State.READY):  # READY: it may be wanted otherwise by now, or not at all
            self.touched.add(step.video_id)

    def attempt(self, attempt: Attempt, **changes: Any) -> None:
        if changes.get("outcome") == Attempt.Outcome.NOT_SENT:
            self.news.uncounted(attempt)
        for name, value in changes.items():
            setattr(attempt, name, value)
        row = (attempt.on_wire_at, *changes.values(), attempt.pk)
        self.attempts.setdefault(("on_wire_at", *changes), []).append(row)

    def write(self) -> None:
        for names, rows in self.attempts.items():
            update_each(Attempt, names, rows)
        for (state, to, *changes), steps in self.groups.items():
            frm = State(state)
            said = dict(changes)
            survived = frm in OWNED and "crash_count" not in said
            move(steps, frm=frm, to=to, survived=survived, **{"owner": None, "lease_until": None, **said})
        if self.files:
            assets.create(self.files, self.now)
            failpoint("mid_record_files")
        update_each(Step, ("links", "message"), self.each)
        update_each(Step, ("not_before",), self.polls)
        for lane in self.learned.values():
            polling.keep(lane)
        books.write(self.moves, self.now)
        self.news.write()
        failpoint("mid_settle")
        if len(self.touched) <= ADVANCE_AT_ONCE:
            if self.touched:
                advance(self.touched, self.now)
        else:
            mark(self.touched)
