"""Books what came back from calls, in bulk: outcomes, money, the next state of the steps, guarded by their fences."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobs import risk
from jobs.advance import advance, mark
from jobs.models import Attempt, Step, Video
from jobs.prepared import change, question
from jobs.states import MOST_CRASHES, OWNED, TERMINAL, Reason, Stage, State
from jobs.transactions import atomically, forgettably
from providers import downloads, registry
from providers.exceptions import CallError, HeldBack, NotSent, OutOfCredit, RateLimited, Rejected, Unauthorised
from providers.models import Lane, Provider
from providers.types import Capability, Recovery

from . import assets, books, hooks, oddities, polling
from .calls import Answer, Stored
from .failpoints import failpoint
from .lanes import News
from .requests import Ticket
from .rows import lanes, light, move, prices, still_ours, update_each, vendors

if TYPE_CHECKING:
    from .checking import CheckTicket

log = logging.getLogger(__name__)
Outcome = Attempt.Outcome

STAGES = frozenset(Stage.values)  # that make something
MOST_FAILURES = 3  # definite ones, then a person is asked
NOT_SENT_PAUSE_S = 2.0
FAILURE_PAUSE_S = 2.0  # after the first; to the power of their number after more
LIST_LAG_S = 5.0  # how long a vendor's listing may lag behind
ADVANCE_AT_ONCE = 20  # videos; more are marked and advanced by the next drive
READ_OF_ATTEMPT = (
    "id",
    "step_id",
    "provider_id",
    "lane_id",
    "price_id",
    "capability",
    "reserved_micro",
    "outcome",
    "external_id",
    "sent_at",
    "on_wire_at",
    "offer_id",
    "images",
    "tokens",
    "characters",
    "units",
    "bulk_id",
    "counts",
)

READ_TO_ASK = ("id", "provider_id", "lane_id", "capability", "sent_at", "on_wire_at")


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
        self.called_back: set[int] = set()  # attempts whose webhook came before the answer to their submit
        self.learned: dict[int, Lane] = {}  # lanes that know more of how long jobs take
        self.touched: set[int] = set()  # videos whose plan may change
        self.news = News(now)  # of lanes

    def go(self, step: Step, to: State, **changes: Any) -> None:
        key = (step.state, to, *changes.items())
        self.groups.setdefault(key, []).append(step)
        if to in (State.ATTENTION, State.DONE):
            self.touched.add(step.video_id)

    def attempt(self, attempt: Attempt, **changes: Any) -> None:
        if changes.get("outcome") == Outcome.NOT_SENT:
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
        self.touched |= self._over_meanwhile()
        if len(self.touched) <= ADVANCE_AT_ONCE:
            if self.touched:
                advance(self.touched, self.now)
        else:
            mark(self.touched)

    def _over_meanwhile(self) -> set[int]:
        """Videos cancelled while a call was out: what would be tried again is dropped."""
        again = {step.video_id for (_, to, *_), steps in self.groups.items() if to == State.READY for step in steps}
        rows = Video.objects.select_for_update().filter(pk__in=again).order_by("pk") if again else ()
        return {video.pk for video in rows if video.cancelled_at is not None}


@atomically
def settle_calls(answers: Sequence[Answer], now: datetime) -> None:
    """Answers to submits. What is not ours any more (cancelled, recovered) is left alone."""
    ours = still_ours({a.ticket.step_id: a.ticket.fence for a in answers}, State.CLAIMED)
    _settle([a for a in answers if a.ticket.step_id in ours], ours, now)


def settle_polls(answers: Sequence[Answer], now: datetime) -> None:
    """Answers to polls of running jobs. Polling twice harms nobody: only the first end counts."""
    book = forgettably if all(answer.running for answer in answers) else atomically
    book(_settle_polls)(answers, now)


def _settle_polls(answers: Sequence[Answer], now: datetime) -> None:
    by_word = sorted(answers, key=lambda answer: (answer.ticket.fence, not answer.running))
    latest = {answer.ticket.step_id: answer for answer in by_word}
    running = [answer for answer in latest.values() if _is_just_running(answer)]
    _ask_again(running)
    others = {step_id: answer for step_id, answer in latest.items() if not _is_just_running(answer)}
    if not others:
        return
    ours = still_ours({step_id: answer.ticket.fence for step_id, answer in others.items()}, State.RUNNING)
    oddities.late_failures([answer for step_id, answer in others.items() if step_id not in ours], now)
    _settle([answer for step_id, answer in others.items() if step_id in ours], ours, now)


def _is_just_running(answer: Answer) -> bool:
    """There is nothing to book, only to ask again."""
    return answer.running and not (answer.unknown_status or answer.ticket.cancel)


def _ask_again(answers: Sequence[Answer]) -> None:
    """Those that one call asked about are asked about together again."""
    if not answers:
        return
    rows = _to_ask([answer.ticket.attempt_id for answer in answers])
    beside = {"lane": lanes, "provider": vendors}
    attempts = {attempt.pk: attempt for attempt in light(Attempt, READ_TO_ASK, rows, beside)}
    by_call: dict[tuple[str, datetime], list[Answer]] = {}
    for answer in answers:
        by_call.setdefault((answer.ticket.slug, answer.ended_at), []).append(answer)
    for (slug, asked_at), group in by_call.items():
        hooked = hooks.is_expected(slug)
        asked = []
        for answer in group:
            attempt = attempts[answer.ticket.attempt_id]
            asked.append(polling.Asked(attempt.lane, attempt, polling.like(answer.ticket.request), hooked))
        _put_off([answer.ticket.step_id for answer in group], polling.ask_again(asked, asked_at))


@question
def _to_ask(ids: Any) -> Any:
    return Attempt.objects.filter(pk__in=ids).values_list(*READ_TO_ASK)


@question
def _attempts(ids: Any) -> Any:
    return Attempt.objects.filter(pk__in=ids).values_list(*READ_OF_ATTEMPT)


@change
def _put_off(ids: Any, until: Any) -> Any:
    return Step.objects.filter(pk__in=ids, state=State.RUNNING), {"not_before": until}


def _settle(answers: Sequence[Answer], ours: dict[int, Step], now: datetime) -> None:
    rows = _attempts([a.ticket.attempt_id for a in answers])
    beside = {"price": prices, "lane": lanes, "provider": vendors}
    attempts = {attempt.pk: attempt for attempt in light(Attempt, READ_OF_ATTEMPT, rows, beside)}
    batch = Settlement(now)
    batch.called_back = hooks.came_before(answers)
    for answer in answers:
        step, attempt = ours[answer.ticket.step_id], attempts[answer.ticket.attempt_id]
        attempt.on_wire_at = answer.on_wire_at or attempt.on_wire_at
        _hear(batch.news, attempt, answer)
        if answer.error is not None:
            _settle_error(batch, step, attempt, answer.error)
        elif answer.failed is not None:
            _settle_failure(batch, step, attempt, answer)
        elif answer.running or _is_only_accepted(answer, step):
            _settle_running(batch, step, attempt, answer)
        else:
            _settle_result(batch, step, attempt, answer)
    batch.write()


def _hear(news: News, attempt: Attempt, answer: Answer) -> None:
    """What it says beside the point: how long it took to leave, what limits there are."""
    if answer.delay_s:
        news.of(attempt).delays_s.append(answer.delay_s)
    if answer.nonsense:
        news.of(attempt).nonsense = answer.nonsense
    for limit in answer.limits:
        news.of(attempt).told.append((attempt, limit))


def _is_only_accepted(answer: Answer, step: Step) -> bool:
    finished = answer.files or answer.links or answer.units
    return step.state == State.CLAIMED and bool(answer.accepted_id) and not finished


def _settle_running(batch: Settlement, step: Step, attempt: Attempt, answer: Answer) -> None:
    """Accepted, or still at it: the job needs no owner, only a next moment."""
    kind, hooked = polling.like(answer.ticket.request), hooks.is_expected(answer.ticket.slug)
    if step.state == State.CLAIMED:
        promised = {"units": answer.promised} if answer.promised else {}
        batch.attempt(attempt, outcome=Outcome.ACCEPTED, external_id=answer.accepted_id, **promised)
        batch.go(step, State.RUNNING)
        batch.news.of(attempt).accepted = True
        when = polling.first_poll(attempt.lane, attempt, answer.ended_at, kind=kind, hooked=hooked)
        if attempt.pk in batch.called_back:
            when = batch.now
    elif answer.ticket.cancel and polling.is_too_old(attempt, batch.now):
        _give_up(batch, step, attempt, "It was still running")
        return
    else:
        when = polling.next_poll(attempt.lane, attempt, answer.ended_at, kind=kind, hooked=hooked)
    if answer.unknown_status:
        oddities.unknown_status(attempt.lane, answer.unknown_status, batch.now)
    batch.polls.append((when, step.pk))


def _settle_result(batch: Settlement, step: Step, attempt: Attempt, answer: Answer) -> None:
    units = books.promised_of(attempt) | answer.units
    micro = books.billed(attempt, units)
    tokens = registry.get(answer.ticket.slug).counted_tokens(answer.ticket.request, units, attempt.tokens)
    batch.news.recounted(attempt, tokens, is_told=not units.keys().isdisjoint(("tokens", "input_tokens")))
    batch.attempt(
        attempt,
        outcome=Outcome.ACCEPTED if attempt.outcome == Outcome.NONE else attempt.outcome,
        external_id=attempt.external_id or answer.accepted_id,
        units=units,
        tokens=tokens,
        cost_micro=micro,
        ended_at=answer.ended_at,
    )
    batch.moves += books.settled(attempt, step.batch, micro)
    batch.news.of(attempt).worked = True
    if step.state == State.RUNNING:
        kind, hooked = polling.like(answer.ticket.request), hooks.is_expected(answer.ticket.slug)
        polling.learn(attempt.lane, attempt, answer.ended_at, kind=kind, hooked=hooked, due=answer.ticket.due_at)
        batch.learned[attempt.lane_id] = attempt.lane
    if step.cancel_asked:
        batch.go(step, State.CANCELLED, finished_at=batch.now)
    elif answer.links:
        batch.go(step, State.FETCHING, not_before=batch.now)
        batch.each.append((list(answer.links), "", step.pk))
    elif any(not file.role for file in answer.files):
        batch.files.append((step, answer.files))
        batch.go(step, State.CHECKING, not_before=batch.now)
    elif step.stage in STAGES:
        count_failure(batch, step, f"{attempt.provider} says that it is finished, but gave no file.")
    else:
        batch.go(step, State.DONE, finished_at=batch.now)


def _settle_failure(batch: Settlement, step: Step, attempt: Attempt, answer: Answer) -> None:
    failed = answer.failed
    assert failed is not None
    micro = books.billed(attempt, books.promised_of(attempt) | dict(failed.units)) if failed.billed else 0
    reason = failed.reason
    if answer.ticket.cancel and not step.cancel_asked:
        reason = f"It was still running after {_hours(attempt)} and was ended ({reason})."
    if failed.moderated and not step.cancel_asked:
        _close(batch, step, attempt, Outcome.ACCEPTED, failed.reason, micro=micro)
        batch.go(step, State.ATTENTION, reason=Reason.CONTENT, message=failed.reason[:500])
    elif failed.out_of_credit:
        _close(batch, step, attempt, Outcome.ACCEPTED, failed.reason, micro=micro)
        _pause_provider(step, failed.reason)
        if step.cancel_asked:
            batch.go(step, State.CANCELLED, finished_at=batch.now)
        else:
            batch.go(step, State.READY, not_before=batch.now)
    else:
        _blame(batch, attempt)
        _end_badly(batch, step, attempt, reason, micro=micro)


def _settle_error(
    batch: Settlement, step: Step, attempt: Attempt, error: CallError | downloads.DiskFull | downloads.DownloadError
) -> None:
    """One reaction for each error of providers/exceptions.py."""
    now, free = batch.now, recovery_of(attempt) is Recovery.FREE
    if step.state == State.RUNNING:
        _settle_poll_error(batch, step, attempt, error)
    elif isinstance(error, RateLimited):
        _close(batch, step, attempt, Outcome.REJECTED, error.message, http_status=error.http_status)
        batch.news.of(attempt).refused.append((attempt, error))
        if error.http_status == 429:
            batch.news.uncounted(attempt)
        batch.go(step, State.READY, not_before=now)
    elif isinstance(error, HeldBack):
        _close(batch, step, attempt, Outcome.NOT_SENT, error.message)
        batch.go(step, State.READY, not_before=now)
    elif isinstance(error, NotSent):
        _blame(batch, attempt)
        _close(batch, step, attempt, Outcome.NOT_SENT, error.message)
        batch.go(step, State.READY, not_before=now + timedelta(seconds=random.uniform(0.5, 1) * NOT_SENT_PAUSE_S))
    elif isinstance(error, Rejected):
        _close(batch, step, attempt, Outcome.REJECTED, error.message, http_status=error.http_status)
        batch.go(step, State.ATTENTION, reason=reason_of(error), message=error.message[:500])
    elif isinstance(error, Unauthorised | OutOfCredit):
        _close(batch, step, attempt, Outcome.REJECTED, error.message, http_status=error.http_status)
        _pause_provider(step, error.message)
        batch.go(step, State.READY, not_before=now)
    elif isinstance(error, downloads.DiskFull) and free:
        _close(batch, step, attempt, Outcome.NOT_SENT, error.message)
        batch.go(step, State.READY, not_before=now + timedelta(seconds=10))
    elif free:
        _end_badly(batch, step, attempt, error.message, micro=0)
    else:
        _blame(batch, attempt)
        lose_answer(batch, step, attempt, error)


def _pause_provider(step: Step, why: str) -> None:
    """Until a person has seen to the account."""
    Provider.objects.filter(pk=step.provider_id).update(paused=True, pause_reason=why[:300])
    log.error("%s is paused: %s", step.provider_id, why)


def _blame(batch: Settlement, attempt: Attempt) -> None:
    """A failure of the vendor's; what is done on this machine has none."""
    if recovery_of(attempt) is not Recovery.FREE:
        batch.news.of(attempt).failures += 1


def _settle_poll_error(batch: Settlement, step: Step, attempt: Attempt, error: Any) -> None:
    """A poll costs nothing: whatever went wrong with it, ask again later."""
    if isinstance(error, Unauthorised | OutOfCredit):
        _pause_provider(step, error.message)
    if polling.is_too_old(attempt, batch.now):
        _give_up(batch, step, attempt, f"Nothing could be learned of it ({error.message})")
        return
    pause_s = getattr(error, "retry_after_s", None) or 5.0
    Step.objects.filter(pk=step.pk, fence=step.fence, state=State.RUNNING).update(
        not_before=batch.now + timedelta(seconds=pause_s)
    )


def lose_answer(batch: Settlement, step: Step, attempt: Attempt, error: Any, *, crash_count: int | None = None) -> None:
    """No clear answer to a paid submit: its money is at risk until the vendor or a person says what happened.

    `crash_count` stays with the step where the process that sent it died.
    """
    crashed = {} if crash_count is None else {"crash_count": crash_count}
    recovery = recovery_of(attempt)
    blind = recovery is Recovery.BLIND and not hooks.job_named(attempt)
    batch.attempt(
        attempt,
        outcome=Outcome.UNKNOWN,
        message=error.message[:500],
        http_status=getattr(error, "http_status", None),
        ended_at=batch.now if blind else None,
    )
    batch.moves.append(books.put_at_risk(attempt, step.batch))
    may_end_us = crash_count is not None and crash_count >= MOST_CRASHES
    if blind and not may_end_us and not step.cancel_asked and risk.accept(step, attempt, batch.now):
        wait = random.uniform(0.5, 1) * FAILURE_PAUSE_S
        batch.go(step, State.READY, not_before=batch.now + timedelta(seconds=wait), **crashed)
    elif blind:
        batch.go(
            step,
            State.ATTENTION,
            reason=Reason.DECISION,
            message=f"{error.message} Nobody can tell from here whether it was made and billed."[:500],
            **crashed,
        )
    else:
        batch.go(step, State.UNKNOWN, not_before=batch.now + timedelta(seconds=LIST_LAG_S), **crashed)


def _end_badly(batch: Settlement, step: Step, attempt: Attempt, reason: str, *, micro: int) -> None:
    """A definite failure: try again a little later, and ask a person after the third."""
    _close(batch, step, attempt, Outcome.ACCEPTED, reason, micro=micro)
    count_failure(batch, step, reason)


def _give_up(batch: Settlement, step: Step, attempt: Attempt, what: str) -> None:
    """Nobody knows how a job ended: it counts as billed, and only a person buys it again."""
    reason = f"{what} after {_hours(attempt)}; it was given up and booked as paid."
    _close(batch, step, attempt, Outcome.GIVEN_UP, reason, micro=attempt.reserved_micro)
    if step.cancel_asked:
        batch.go(step, State.CANCELLED, finished_at=batch.now)
    else:
        batch.go(step, State.ATTENTION, reason=Reason.FAILED, message=reason[:500])


def _hours(attempt: Attempt) -> str:
    return f"{polling.max_age(attempt).total_seconds() / 3600:.2g} hours"


def count_failure(batch: Settlement, step: Step, reason: str) -> None:
    failures = step.failures + 1
    if step.cancel_asked:
        batch.go(step, State.CANCELLED, finished_at=batch.now)
    elif failures >= MOST_FAILURES:
        batch.go(step, State.ATTENTION, reason=Reason.FAILED, message=reason[:500], failures=failures)
    else:
        wait = random.uniform(0.5, 1) * FAILURE_PAUSE_S**failures
        batch.go(step, State.READY, not_before=batch.now + timedelta(seconds=wait), failures=failures)


def _close(
    batch: Settlement,
    step: Step,
    attempt: Attempt,
    outcome: Outcome,
    message: str,
    *,
    micro: int = 0,
    http_status: int | None = None,
) -> None:
    batch.attempt(
        attempt, outcome=outcome, message=message[:500], http_status=http_status, cost_micro=micro, ended_at=batch.now
    )
    if micro:
        batch.moves += books.settled(attempt, step.batch, micro)
    else:
        batch.moves.append(books.released(attempt, step.batch))


def reason_of(error: Rejected) -> Reason:
    """What was declined for its content is declined again: something has to be changed first."""
    return Reason.CONTENT if error.moderated else Reason.REJECTED


def recovery_of(attempt: Attempt) -> Recovery:
    adapter = registry.all_adapters().get(attempt.provider.slug)
    if adapter is None or attempt.bulk_id is not None:  # a line that nothing speaks of is found in no listing
        return Recovery.BLIND
    return adapter.recovery_of(Capability(attempt.capability))


@atomically
def set_aside(ticket: Ticket | CheckTicket, why: str, now: datetime) -> None:
    """A step whose result cannot be booked waits for a person; money of a call that is still open is at risk."""
    step = Step.objects.select_for_update(of=("self",)).select_related("batch").get(pk=ticket.step_id)
    if step.fence != ticket.fence or step.state in (*TERMINAL, State.READY, State.ATTENTION):
        return
    batch = Settlement(now)
    attempts = Attempt.objects.select_related("provider", "lane").filter(step=step, ended_at=None)
    for attempt in attempts.exclude(outcome=Outcome.UNKNOWN):
        batch.attempt(attempt, outcome=Outcome.UNKNOWN, message=why[:500], ended_at=now)
        batch.moves.append(books.put_at_risk(attempt, step.batch))
    lost = bool(attempts)
    batch.go(step, State.ATTENTION, reason=Reason.DECISION if lost else Reason.FAILED, message=why[:500])
    batch.write()


@atomically
def stamp_wire(stamps: dict[int, datetime]) -> None:
    """Windows are counted from the moment a request was on the wire: attempt id -> that moment."""
    update_each(Attempt, ("on_wire_at",), [(at, attempt_id) for attempt_id, at in sorted(stamps.items())])
