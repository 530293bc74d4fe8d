"""A small model of the submit protocol, explored in full: one step, up to three owners, two attempts.

An owner may stand still for any time (the others are then chosen to move), and die between any two moves. Every send
may be accepted with or without an answer, or come to nothing without one. What is asked of every state that can be
reached: never two jobs for one step, and never a step that nobody can move on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

OWNERS, ATTEMPTS = 3, 2
IDLE, CLAIMED, CHECKED, ANSWERED, DEAD = "idle", "claimed", "checked", "answered", "dead"
OK, LOST = "ok", "lost"
READY, RUNNING, UNKNOWN, ATTENTION, DONE = "ready", "running", "unknown", "attention", "done"
FREE, KEYED, LISTABLE, BLIND = "free", "keyed", "listable", "blind"


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol, and the guards that can be taken away from it."""

    recovery: str
    attempt_row: bool = True  # written before the send, so that whoever finds the step knows of it
    death_proof: bool = True  # nobody acts for an owner that may still live
    blind_retry: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    at: str = IDLE
    attempt: int = 0
    fence: int = 0
    answer: str = ""
    is_late: bool = False  # its lease and its send deadline are over


@dataclass(frozen=True, slots=True)
class State:
    step: str = READY
    fence: int = 0
    holder: int = -1  # the owner that has it
    attempts: int = 0
    known: bool = False  # the open attempt stands in the database
    owners: tuple[Owner, ...] = (Owner(),) * OWNERS
    jobs: tuple[int, ...] = (0,) * ATTEMPTS  # at the vendor, by attempt

    def with_owner(self, number: int, owner: Owner, **changes: object) -> State:
        owners = (*self.owners[:number], owner, *self.owners[number + 1 :])
        return replace(self, owners=owners, **changes)  # type: ignore[arg-type]

    @property
    def is_double(self) -> bool:
        return sum(self.jobs) > 1

    @property
    def is_end(self) -> bool:
        return self.step in (DONE, ATTENTION)


Move = tuple[str, State]


def moves(state: State, rules: Rules) -> Iterator[Move]:
    for number, owner in enumerate(state.owners):
        if owner.at != DEAD:
            yield f"{number} dies", state.with_owner(number, replace(owner, at=DEAD))
            yield from _work(state, rules, number, owner)
    if state.step == CLAIMED and not state.owners[state.holder].is_late:
        late = replace(state.owners[state.holder], is_late=True)
        yield f"the lease of {state.holder} is over", state.with_owner(state.holder, late)
    if state.step == RUNNING:
        yield "the job is done and fetched", replace(state, step=DONE)


def _work(state: State, rules: Rules, number: int, owner: Owner) -> Iterator[Move]:
    match owner.at:
        case "idle":
            yield from _claim(state, rules, number)
            yield from _recover(state, rules, number)
            yield from _reconcile(state, rules, number)
        case "claimed" if owner.is_late:
            yield f"{number} comes too late to send", _record(state, rules, number, "not sent")
        case "claimed":
            yield f"{number} looks at the clock", state.with_owner(number, replace(owner, at=CHECKED))
        case "checked":
            yield from _send(state, rules, number, owner)
        case "answered":
            yield f"{number} records {owner.answer}", _record(state, rules, number, owner.answer)


def _claim(state: State, rules: Rules, number: int) -> Iterator[Move]:
    if state.step == READY and state.attempts < ATTEMPTS:
        fence = state.fence + 1
        claimed = Owner(at=CLAIMED, attempt=state.attempts, fence=fence)
        changes = {"fence": fence, "holder": number, "attempts": state.attempts + 1, "known": rules.attempt_row}
        yield f"{number} claims", state.with_owner(number, claimed, step=CLAIMED, **changes)


def _send(state: State, rules: Rules, number: int, owner: Owner) -> Iterator[Move]:
    for took, answer in ((True, OK), (True, LOST), (False, LOST)):
        jobs = _ordered(state, rules, owner.attempt) if took else state.jobs
        said = replace(owner, at=ANSWERED, answer=answer)
        yield f"{number} sends: {'taken' if took else 'not taken'}, {answer}", state.with_owner(number, said, jobs=jobs)


def _ordered(state: State, rules: Rules, attempt: int) -> tuple[int, ...]:
    """The same key is the same job."""
    more = 0 if rules.recovery == KEYED and state.jobs[attempt] else 1
    return tuple(n + more * (at == attempt) for at, n in enumerate(state.jobs))


def _record(state: State, rules: Rules, number: int, answer: str) -> State:
    """One guarded write: whoever is not the owner under this fence any more changes nothing."""
    owner, idle = state.owners[number], Owner()
    if (state.step, state.holder, state.fence) != (CLAIMED, number, owner.fence):
        return state.with_owner(number, idle)
    if answer == OK:
        return state.with_owner(number, idle, step=RUNNING, holder=-1)
    if answer == LOST:
        return state.with_owner(number, idle, step=_lost(rules), holder=-1)
    return state.with_owner(number, idle, step=READY, holder=-1)


def _lost(rules: Rules) -> str:
    if rules.recovery == FREE or (rules.recovery == BLIND and rules.blind_retry):
        return READY
    return ATTENTION if rules.recovery == BLIND else UNKNOWN


def _recover(state: State, rules: Rules, number: int) -> Iterator[Move]:
    if state.step != CLAIMED or state.holder == number:
        return
    owner = state.owners[state.holder]
    if owner.at == DEAD or (owner.is_late and not rules.death_proof):
        to = _lost(rules) if state.known else READY
        yield f"{number} takes up what {state.holder} left", replace(state, step=to, holder=-1)


def _reconcile(state: State, rules: Rules, number: int) -> Iterator[Move]:
    if state.step != UNKNOWN:
        return
    latest = state.attempts - 1
    if rules.recovery == KEYED:
        yield f"{number} sends the same key", replace(state, step=RUNNING, jobs=_ordered(state, rules, latest))
        yield f"{number} sends the same key, and hears nothing", replace(state, jobs=_ordered(state, rules, latest))
    elif state.jobs[latest]:
        yield f"{number} finds the job", replace(state, step=RUNNING)
    else:
        yield f"{number} finds nothing", replace(state, step=READY)


@dataclass(frozen=True, slots=True)
class Explored:
    states: int
    doubles: tuple[str, ...]  # the shortest road to a double order, if there is one
    lost: tuple[str, ...]  # the shortest road to a step that nobody can move on


def explore(rules: Rules) -> Explored:
    """Every state that can be reached, the nearest first."""
    start = State()
    came: dict[State, tuple[State, str] | None] = {start: None}
    queue, double, lost = deque([start]), None, None
    while queue:
        state = queue.popleft()
        if double is None and state.is_double and rules.recovery != FREE:
            double = state
        progress = False
        for label, after in moves(state, rules):
            progress = progress or "dies" not in label
            if after not in came:
                came[after] = (state, label)
                queue.append(after)
        bound = state.step == READY and state.attempts == ATTEMPTS
        living = any(owner.at != DEAD for owner in state.owners)
        if lost is None and not progress and not state.is_end and living and not bound:
            lost = state
    return Explored(len(came), _road(came, double), _road(came, lost))


def _road(came: dict[State, tuple[State, str] | None], state: State | None) -> tuple[str, ...]:
    steps: list[str] = []
    while state is not None and (before := came[state]) is not None:
        state = before[0]
        steps.append(before[1])
    return tuple(reversed(steps))
