"""A lost answer that was asked about twice before anything could be booked is booked once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import calls, reconcile, taking
from jobs.models import Attempt, LedgerEntry, Step
from jobs.states import State
from providers.downloads import DownloadError
from providers.exceptions import Unknown

pytestmark = [pytest.mark.engine]


def asked_about(slug: str) -> list[calls.Answer]:
    later = datetime.now(UTC) + timedelta(minutes=5)
    (ticket,) = taking.due_finds([slug], 5, later)
    return [calls.submit(ticket, lambda *_: None, threading.Event()) for _ in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("first", ["found", "no answer"])
def test_what_was_found_twice_is_adopted_once(scene, first):
    scene.batch(provider=scene.vendor("keyed", next=["lose_after_accept"]))
    scene.drive_until(Step.objects.filter(state=State.UNKNOWN).exists)
    answers = asked_about("sim_keyed")
    if first == "no answer":
        answers.insert(0, calls.Answer(ticket=answers[0].ticket, ended_at=answers[0].ended_at, error=Unknown("Lost.")))
    reconcile.settle_found(answers, datetime.now(UTC))
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.ended_at is not None) == (Attempt.Outcome.ADOPTED, True)
    assert LedgerEntry.objects.filter(kind=LedgerEntry.Kind.RESOLVE).count() == 1
    scene.check()


def test_an_expired_link_of_a_vendor_that_cannot_be_asked_again_says_that_it_expired(scene, monkeypatch):
    scene.batch(provider=scene.vendor("keyed"))
    scene.drive_until(lambda: Attempt.objects.exclude(external_id="").exists())
    attempt = Attempt.objects.get()
    expired = DownloadError("The link to the result no longer works (403).", expired=True)

    def refuse(*args, **kwargs):
        raise expired

    monkeypatch.setattr(calls, "_store", refuse)
    step = Step.objects.select_related("offer", "provider").get()
    step.links = [{"url": "http://127.0.0.1/gone", "media_type": "application/json", "role": ""}]
    (ticket,) = taking.fetch_tickets([step], datetime.now(UTC))
    assert ticket.external_id == attempt.external_id
    assert calls.fetch(ticket, threading.Event()).error is expired
