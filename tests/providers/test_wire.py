from __future__ import annotations

import time

import pytest
import requests

from providers import wire
from providers.exceptions import HeldBack
from tests.providers.scripted_server import answer, serving

OK = answer(b"{}", length=2)


def test_a_request_is_announced_when_its_connection_stands_and_before_its_first_byte():
    with serving(OK) as vendor:
        seen = []

        def leaving():
            time.sleep(0.05)  # time enough for a byte that had left to arrive
            seen.append(list(vendor.asked))

        with wire.session() as session, wire.announced(session, vendor.url, leaving):
            session.post(f"{vendor.url}/make", json={"prompt": "x"}, timeout=5)
    assert seen == [[]]
    assert len(vendor.asked) == 1
    assert vendor.asked[0].startswith(b"POST /make")
    assert 0 <= wire.delay_s() < 1
    assert wire.delay_s() == 0.0


def test_what_is_held_back_at_the_last_moment_sends_nothing():
    def leaving():
        raise HeldBack("not now")

    with serving(OK) as vendor:
        with pytest.raises(HeldBack), wire.session() as session, wire.announced(session, vendor.url, leaving):
            session.post(f"{vendor.url}/make", json={}, timeout=5)
        with wire.session() as session:
            session.get(vendor.url, timeout=5)  # nobody waits for this one
        assert [asked for asked in vendor.asked if b"POST" in asked] == []


def test_a_connection_that_the_vendor_closed_meanwhile_is_not_written_to():
    with serving(OK) as vendor, wire.session() as session:
        session.get(vendor.url, timeout=5)  # answered, and the connection is closed by the server
        moments = []

        def leaving():
            moments.append(1)
            time.sleep(0.05)

        with wire.announced(session, vendor.url, leaving):
            session.post(f"{vendor.url}/make", json={}, timeout=5)
        assert moments == [1]
        assert sum(b"POST" in asked for asked in vendor.asked) == 1


@pytest.mark.slow
def test_headers_that_drip_end_when_they_have_to_be_there():
    long = answer(b"{}", length=2, headers=["X-Slow: " + "z" * 200])
    with serving(long, drip_s=0.05) as vendor, wire.session() as session:
        began = time.monotonic()
        until = began + 0.3
        with pytest.raises(requests.ReadTimeout), wire.announced(session, vendor.url, lambda: None, until=until):
            session.get(vendor.url, timeout=5)
        assert 0.3 <= time.monotonic() - began < 3


def test_the_moment_for_the_headers_of_one_call_is_none_for_the_next():
    with serving(OK) as vendor, wire.session() as session:
        with wire.announced(session, vendor.url, lambda: None, until=time.monotonic() + 5):
            assert session.get(vendor.url, timeout=5).content == b"{}"
        with (
            wire.announced(session, vendor.url, lambda: None, until=time.monotonic() - 1),
            pytest.raises(requests.ReadTimeout),
        ):
            session.get(vendor.url, timeout=5)
        assert session.get(vendor.url, timeout=5).content == b"{}"


def test_a_session_of_somebody_else_is_announced_before_it_sends():
    with serving(OK) as vendor, requests.Session() as session:
        moments = []
        with wire.announced(session, vendor.url, lambda: moments.append(len(vendor.asked))):
            session.get(vendor.url, timeout=5)
        assert moments == [0]
