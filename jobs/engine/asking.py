"""What threads do to learn how jobs at a vendor are getting on. No ORM in here, and no exception comes out."""

from __future__ import annotations

import logging
import threading
from datetime import datetime
from typing import Any

from providers.base import Adapter
from providers.exceptions import CallError
from providers.types import Failed, Finished, Running

from . import clock
from .calls import Answer, run, told
from .failpoints import failpoint
from .requests import Ticket

log = logging.getLogger(__name__)
Said = Running | Finished | Failed


def poll(tickets: list[Ticket], stopping: threading.Event) -> list[Answer]:
    """Asks about one job, or about several of one provider in one call. What one of them says spoils no other."""
    if len(tickets) == 1:
        return [_asked_alone(tickets[0], stopping)]
    said: dict[str, Said] = {}

    def ask(adapter: Adapter) -> dict[str, Any]:
        said.update(adapter.poll_many([ticket.external_id for ticket in tickets]))
        failpoint("after_poll")
        return {}

    failed = run(tickets[0], ask, stopping=stopping)
    asked_at = clock.now_utc()
    if failed:
        return [Answer(ticket=ticket, ended_at=asked_at, **failed) for ticket in tickets]
    return [
        _answer(ticket, said[ticket.external_id], asked_at, stopping)
        if ticket.external_id in said
        else _asked_alone(ticket, stopping)
        for ticket in tickets
    ]


def _answer(ticket: Ticket, said: Said, asked_at: datetime, stopping: threading.Event) -> Answer:
    """Files that come with it are stored."""
    result = run(ticket, lambda adapter: told(adapter, ticket.request, said), stopping=stopping)
    return Answer(ticket=ticket, ended_at=asked_at, **result)


def _asked_alone(ticket: Ticket, stopping: threading.Event) -> Answer:
    """One that was cancelled, or is too old, is ended where the vendor can: only if it still runs, as there are vendors
    that delete what has finished. Whatever came of that, only another look tells how it ended."""
    asked: list[datetime] = []
    ended: list[str] = []

    def look(adapter: Adapter) -> Said:
        said = adapter.poll(ticket.external_id)
        asked.append(clock.now_utc())
        failpoint("after_poll")
        return said

    def ask(adapter: Adapter) -> dict[str, Any]:
        said = look(adapter)
        if ticket.cancel and isinstance(said, Running) and _try_to_end(adapter, ticket, ended):
            said = look(adapter)
        return told(adapter, ticket.request, said)

    result = run(ticket, ask, stopping=stopping)
    ended_at = asked[-1] if asked else clock.now_utc()
    return Answer(ticket=ticket, ended_at=ended_at, was_ended=bool(ended), **result)


def _try_to_end(adapter: Adapter, ticket: Ticket, ended: list[str]) -> bool:
    """Whether it may stand otherwise than before. A cancel that is refused may come right after the job's own end."""
    try:
        adapter.cancel(ticket.external_id)
    except NotImplementedError:
        return False
    except CallError as error:
        log.info("step %s: its job cannot be ended (%s)", ticket.step_id, error)
    else:
        ended.append(ticket.external_id)
    return True
