"""What threads do about bulk jobs. No ORM in here, and no exception comes out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from providers.base import Adapter, LineOutcome
from providers.downloads import DiskFull
from providers.exceptions import CallError, HeldBack, NotSent, RateLimited, Rejected, Unknown
from providers.types import Bulk, BulkState, Failed, Finished

from . import clock
from .bulk_take import Act, Order
from .calls import LONGEST_ID, Answer, run, told
from .failpoints import failpoint
from .requests import CLOCK_SKEW, Ticket

log = logging.getLogger(__name__)
AT_ONCE = 50  # lines that are handed over together
KEEP_S = 600.0  # so long a result waits for room on the disk

Report = Callable[[list[Answer]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How an act ended: with an error, or with what it was for. `bulk` is None where a search found nothing."""

    order: Order
    error: Any = None
    bulk: Bulk | None = None
    input_file: str = ""
    on_wire_at: datetime | None = None


def work_of(order: Order, report: Report, stopping: threading.Event) -> Callable[[], Told]:
    acts: dict[Act, Callable[[Adapter], dict[str, Any]]] = {
        Act.UPLOAD: lambda adapter: _upload(adapter, order),
        Act.CREATE: lambda adapter: _create(adapter, order),
        Act.FIND: lambda adapter: {"bulk": _found(adapter, order)},
        Act.POLL: lambda adapter: {"bulk": _poll(adapter, order)},
        Act.READ: lambda adapter: _read(adapter, order, report, stopping),
    }
    left: list[datetime] = []

    def on_wire() -> None:
        _check(order)
        left.append(clock.now_utc())

    def work() -> Told:
        result = run(order.ticket, acts[order.act], stopping=stopping, on_wire=on_wire)
        if failed := result.pop("failed", None):  # of what costs nothing: as good as an error
            result["error"] = NotSent(failed.reason)
        return Told(order=order, on_wire_at=left[-1] if left else None, **result)

    return work


def _check(order: Order) -> None:
    """The last look before the first byte."""
    if order.act is not Act.CREATE:
        return
    assert order.send_by is not None
    if clock.now_utc() > order.send_by or monotonic() > order.send_until:
        raise HeldBack("The thread came too late to send.")


def _upload(adapter: Adapter, order: Order) -> dict[str, Any]:
    content = adapter.bulk_write([line.request for line in order.lines])
    failpoint("before_upload")
    name = adapter.bulk_upload(content, order.tag)
    failpoint("after_upload")
    if len(name) > LONGEST_ID:
        raise Rejected(f"{adapter.label} gave the file of its bulk job a name that is too long.", detail=name)
    return {"input_file": name}


def _create(adapter: Adapter, order: Order) -> dict[str, Any]:
    _check(order)
    failpoint("before_create")
    bulk = adapter.bulk_create(order.input_file, order.capability, order.tag)
    failpoint("after_create")
    return {"bulk": _named(adapter, bulk)}


def _found(adapter: Adapter, order: Order) -> Bulk | None:
    assert order.sent_at is not None
    bulk = adapter.bulk_find(order.tag, order.sent_at - CLOCK_SKEW - order.ticket.off_by)
    return _named(adapter, bulk) if bulk else None


def _named(adapter: Adapter, bulk: Bulk) -> Bulk:
    if len(bulk.external_id) > LONGEST_ID:
        raise Unknown(f"{adapter.label} gave its bulk job a name that is too long.", detail=bulk.external_id)
    return bulk


def _poll(adapter: Adapter, order: Order) -> Bulk:
    bulk = adapter.bulk_poll(order.external_id)
    if order.cancel and bulk.state is BulkState.RUNNING:
        try:
            return adapter.bulk_cancel(order.external_id)
        except CallError as error:  # it is being cancelled, or over by now
            log.info("bulk job %s cannot be ended (%s); it is awaited", order.job_id, error)
    return bulk


def _read(adapter: Adapter, order: Order, report: Report, stopping: threading.Event) -> dict[str, Any]:
    """Lines are handed over a few at a time; what is not when it breaks off is read again."""
    bulk = adapter.bulk_poll(order.external_id)
    lines = {line.request.tag: line for line in order.lines}
    answers: list[Answer] = []
    for tag, outcome in adapter.bulk_read(bulk, {tag: line.request for tag, line in lines.items()}):
        answers.append(_answer(adapter, lines[tag], outcome))
        failpoint("mid_read")
        if len(answers) >= AT_ONCE:
            report(answers)
            answers = []
            if stopping.is_set():
                raise HeldBack("The rest is read after the next start.")
    if answers:
        report(answers)
    failpoint("after_read")
    return {"bulk": bulk}


def _answer(adapter: Adapter, line: Ticket, outcome: LineOutcome) -> Answer:
    now = clock.now_utc()
    if isinstance(outcome, Finished):
        try:
            result = told(adapter, line.request, outcome, until=monotonic() + KEEP_S)
        except DiskFull:
            raise  # it is read again
        except Exception as error:
            reason = f"What came for it cannot be kept: {error}"
            return Answer(ticket=line, ended_at=now, failed=Failed(reason=reason, billed=True, units=outcome.units))
        return Answer(ticket=line, ended_at=now, **result)
    if isinstance(outcome, Failed):
        return Answer(ticket=line, ended_at=now, failed=outcome, units=dict(outcome.units))
    return Answer(ticket=line, ended_at=now, error=outcome) if _is_final(outcome) else _unworked(line, outcome, now)


def _is_final(error: CallError) -> bool:
    """One that says what to do about this request, beyond doing it again."""
    return not isinstance(error, NotSent | RateLimited)


def _unworked(line: Ticket, error: CallError, now: datetime) -> Answer:
    """It was not worked on: a failure of the vendor's that costs nothing. It is made again, but not for ever."""
    return Answer(ticket=line, ended_at=now, failed=Failed(reason=error.message))
