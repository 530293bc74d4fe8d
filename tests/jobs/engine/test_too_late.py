"""The last look before the first byte: by the clock on the wall, and by the one that nobody turns back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Event
from time import monotonic

import pytest

from jobs.engine import calls
from jobs.engine.calls import HeldBack
from jobs.engine.requests import Ticket
from providers.exceptions import RateLimited
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


# -- the distance that a paced lane keeps ------------------------------------------------------------------------------

GAP_S = 49.44  # 5 pictures a minute, four at a time


@pytest.fixture
def ticking(monkeypatch):
    """A clock that goes forward by being slept on alone."""
    clock = {"at": 1000.0}
    monkeypatch.setattr(calls, "monotonic", lambda: clock["at"])
    monkeypatch.setattr(calls, "sleep", lambda seconds: clock.update(at=clock["at"] + seconds))
    monkeypatch.setattr(calls, "_next_at", {})
    monkeypatch.setattr(calls, "_refused", {})
    return clock


def a_paced_ticket(clock, gap_s=GAP_S, *, made=None):
    return a_ticket(lane_id=7, gap_s=gap_s, made=made or clock["at"], send_until=clock["at"] + 20)


def test_a_paced_call_that_would_leave_too_late_is_told_when_and_moves_nobody_on(ticking):
    calls._wait_for(a_paced_ticket(ticking))
    before = ticking["at"]
    for waited_s in (0, 10):
        ticking["at"] = before + waited_s
        with pytest.raises(HeldBack) as held:
            calls._wait_for(a_paced_ticket(ticking))
        assert ticking["at"] == before + waited_s  # no thread was kept waiting for nothing
        assert held.value.again_in_s == pytest.approx(GAP_S * calls.LEAST_DISTANCE - waited_s)
    ticking["at"] = before + 40
    calls._wait_for(a_paced_ticket(ticking))
    assert ticking["at"] == pytest.approx(before + GAP_S * calls.LEAST_DISTANCE)


def test_a_paced_call_that_is_held_back_keeps_no_distance_from_the_next(ticking):
    calls._refused[7] = ticking["at"]
    with pytest.raises(HeldBack):
        calls._wait_for(a_paced_ticket(ticking, made=ticking["at"] - 1))
    at = ticking["at"]
    calls._wait_for(a_paced_ticket(ticking))
    assert ticking["at"] == at


def test_the_distance_is_that_of_what_left_before(ticking):
    calls._wait_for(a_paced_ticket(ticking, 10.0))
    at = ticking["at"]
    calls._wait_for(a_paced_ticket(ticking, GAP_S))
    assert ticking["at"] == pytest.approx(at + 10.0 * calls.LEAST_DISTANCE)


def test_what_the_vendor_refused_for_haste_keeps_no_distance_from_the_next(ticking, monkeypatch):
    """Our windows do not count it either."""

    def refuse(ticket, work, *, on_wire, **_):
        on_wire()
        return {"error": RateLimited("Slow down.", retry_after_s=1)}

    monkeypatch.setattr(calls, "run", refuse)
    calls.submit(a_paced_ticket(ticking), lambda *_: None, Event())
    ticking["at"] = at = ticking["at"] + 1
    calls._wait_for(a_paced_ticket(ticking))
    assert ticking["at"] == at
