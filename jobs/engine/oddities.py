"""What a vendor says that it should not. People are told once; work goes on by what was known."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from jobs.models import Attempt, Notice
from jobs.states import State
from providers.models import Lane

from .calls import Answer

log = logging.getLogger(__name__)
MOST_WORDS = 5  # of one lane are worth a notice; a vendor may make up a new one with every answer
MADE = (State.FETCHING, State.CHECKING, State.DONE)


def unknown_status(lane: Lane, word: str, now: datetime) -> None:
    """A job with a status that its adapter does not know counts as still running, until it is too old."""
    shown = "".join(letter for letter in word if letter.isprintable())[:60]
    _tell(f"{lane} says of a job: ", f'"{shown}", which is not known here. It counts as still running.', now)


def late_failures(answers: Sequence[Answer], now: datetime) -> None:
    """Jobs that failed after they had been finished: nothing changes, but somebody should ask the vendor why."""
    reasons = {answer.ticket.attempt_id: answer.failed.reason for answer in answers if answer.failed is not None}
    if not reasons:
        return
    finished = Attempt.objects.filter(pk__in=reasons, message="", step__state__in=MADE).exclude(ended_at=None)
    for attempt in finished.select_related("provider"):
        job = f"job {attempt.external_id}"
        log.warning("%s: %s failed after it was finished: %s", attempt.provider, job, reasons[attempt.pk])
        _tell(f"{attempt.provider} took back ", f"{job}, which it had finished. The file that came of it stays.", now)


def _tell(start: str, rest: str, now: datetime) -> None:
    text = (start + rest)[:300]
    told = list(Notice.objects.filter(text__startswith=start[:300]).values_list("text", flat=True)[:MOST_WORDS])
    if text in told or len(told) >= MOST_WORDS:
        return
    log.warning("%s", text)
    Notice.objects.create(at=now, text=text)
