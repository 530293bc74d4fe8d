"""The last look before the first byte: by the clock on the wall, and by the one that nobody turns back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from jobs.engine import calls
from jobs.engine.calls import HeldBack
from jobs.engine.requests import Ticket
from providers.types import Capability, Request

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def a_ticket(**values):
    request = Request(capability=Capability.SCRIPT, offer="one", prompt="Bread")
    return Ticket(step_id=1, fence=1, stage="script", slug="studio", request=request, options={}, **values)


def test_in_time_it_is_sent():
    calls._check(a_ticket(send_by=NOW, send_until=monotonic() + 20), NOW)


def test_later_than_its_moment_it_is_held_back():
    ticket = a_ticket(send_by=NOW, send_until=monotonic() + 20)
    with pytest.raises(HeldBack):
        calls._check(ticket, NOW + timedelta(seconds=1))


def test_a_clock_that_was_turned_back_gives_a_late_sender_no_second_chance():
    """It stood still for longer than the deadline; others may have concluded that it never sent."""
    ticket = a_ticket(send_by=NOW, send_until=monotonic() - 0.001)
    with pytest.raises(HeldBack):
        calls._check(ticket, NOW - timedelta(minutes=10))
