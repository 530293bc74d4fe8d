"""Books what came back from calls, in bulk: outcomes, money, the next state of the steps, guarded by their fences."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import InterfaceError, InternalError, OperationalError

from jobs.models import Attempt, Step
from jobs.prepared import change, question
from jobs.states import TERMINAL, Reason, Stage, State
from jobs.transactions import atomically, forgettably
from providers import registry

from . import books, failures, hooks, oddities, polling
from .calls import Answer
from .lanes import News
from .requests import Ticket
from .rows import in_state, lanes, light, prices, still_ours, update_each, vendors
from .settlement import Settlement

if TYPE_CHECKING:
    from .checking import CheckTicket

log = logging.getLogger(__name__)
Outcome = Attempt.Outcome
# The database, or the way to it. PostgreSQL calls it an internal error when it takes no writes just now, or has ended a
# transaction that stood still.
AWAY = (OperationalError, InterfaceError, InternalError)
STAGES = frozenset(Stage.values)  # that make something
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
    "ending_since",
    "offer_id",
    "images",
    "tokens",
    "characters",
    "units",
    "bulk_id",
    "counts",
)

READ_TO_ASK = ("id", "provider_id", "lane_id", "capability", "sent_at", "on_wire_at")


def settle_calls(answers: Sequence[Answer], now: datetime) -> list[Answer]:
    """Answers to submits. What is not ours any more (recovered) is left alone and returned."""
    answers = [answer.come_by(now) for answer in answers]
    others = _settle_calls(answers, now)
    hooks.make_due_what_was_named(answers, now)  # after the commit: a webhook that comes later finds the running job
    return others


@atomically
def _settle_calls(answers: Sequence[Answer], now: datetime) -> list[Answer]:
    ours = still_ours({a.ticket.step_id: a.ticket.fence for a in answers}, State.CLAIMED)
    _settle([a for a in answers if a.ticket.step_id in ours], ours, now)
    return [a for a in answers if a.ticket.step_id not in ours]


def settle_polls(answers: Sequence[Answer], now: datetime) -> None:
    """Answers to polls of running jobs. Polling twice harms nobody: only the first end counts."""
    answers = [answer.come_by(now) for answer in answers]
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
    return in_state(ids, State.RUNNING), {"not_before": until}


def _settle(answers: Sequence[Answer], ours: dict[int, Step], now: datetime) -> None:
    rows = _attempts([a.ticket.attempt_id for a in answers])
    beside = {"price": prices, "lane": lanes, "provider": vendors}
    attempts = {attempt.pk: attempt for attempt in light(Attempt, READ_OF_ATTEMPT, rows, beside)}
    batch = Settlement(now)
    for answer in answers:
        step, attempt = ours[answer.ticket.step_id], attempts[answer.ticket.attempt_id]
        attempt.on_wire_at = answer.on_wire_at or attempt.on_wire_at
        _hear(batch.news, attempt, answer)
        if answer.error is not None:
            failures.settle_error(batch, step, attempt, answer.error, answer.ticket)
        elif answer.failed is not None:
            failures.settle_failure(batch, step, attempt, answer)
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
    elif answer.ticket.too_old and failures.had_time_to_end(batch, attempt):
        failures.give_up(batch, step, attempt, "It was still running")
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
        failures.count_failure(batch, step, f"{attempt.provider} says that it is finished, but gave no file.")
    else:
        batch.go(step, State.DONE, finished_at=batch.now)


def book_each(book: Callable[[list[Any], datetime], None], results: list[Any], now: datetime) -> list[Any]:
    """All together; where one of them cannot be booked, each by itself. Returns those that are set aside."""
    try:
        book(results, now)
    except AWAY:
        raise  # the database: nothing is the results' fault
    except Exception as error:
        if len(results) > 1:
            return [bad for result in results for bad in book_each(book, [result], now)]
        ticket = results[0].ticket
        log.exception("step %s: what came back cannot be booked", ticket.step_id)
        try:
            set_aside(ticket, f"What came back cannot be booked: {error}", now)
        except AWAY:
            raise
        except Exception:  # it stays where it is: taken up when this process has ended, or polled again
            log.exception("step %s: it cannot be set aside either", ticket.step_id)
        return results
    return []


@atomically
def set_aside(ticket: Ticket | CheckTicket, why: str, now: datetime) -> None:
    """A step whose result cannot be booked waits for a person; money of a call that is still open is at risk."""
    step = Step.objects.select_for_update(of=("self",)).select_related("batch").get(pk=ticket.step_id)
    if step.fence != ticket.fence or step.state in (*TERMINAL, State.READY, State.ATTENTION):
        return
    batch = Settlement(now)
    attempts = Attempt.objects.select_related("provider", "lane").filter(step=step, ended_at=None)
    for attempt in attempts:
        if attempt.outcome != Outcome.UNKNOWN:  # else it is at risk already
            put = books.put_at_risk_again if attempt.outcome == Outcome.ADOPTED else books.put_at_risk
            batch.moves.append(put(attempt, step.batch))
        batch.attempt(attempt, outcome=Outcome.UNKNOWN, message=why[:500], ended_at=now)
    lost = bool(attempts)
    batch.go(step, State.ATTENTION, reason=Reason.DECISION if lost else Reason.FAILED, message=why[:500])
    batch.write()


@atomically
def stamp_wire(stamps: dict[int, datetime]) -> None:
    """Windows are counted from the moment a request was on the wire: attempt id -> that moment."""
    update_each(Attempt, ("on_wire_at",), [(at, attempt_id) for attempt_id, at in sorted(stamps.items())])
