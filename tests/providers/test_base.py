from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
import responses
from requests.exceptions import ChunkedEncodingError, ConnectionError, ConnectTimeout, ReadTimeout

from providers.base import Adapter, retry_after
from providers.exceptions import NotSent, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from providers.types import Capability, Recovery
from tests.providers import scripted_server

URL = "https://vendor.example"


class Vendor(Adapter):
    slug = "vendor"
    label = "Vendor"
    base_url = URL
    capabilities = frozenset({Capability.IMAGE})


@pytest.fixture
def wire():
    return []


@pytest.fixture
def vendor(tmp_path, wire):
    return Vendor(workdir=tmp_path, key="k", on_wire=lambda: wire.append(1))


@pytest.mark.slow
def test_headers_that_drip_end_with_the_deadline_of_the_call(tmp_path):
    long = scripted_server.answer(b"{}", length=2, headers=["X-Slow: " + "z" * 200])
    with scripted_server.serving(long, drip_s=0.05) as server:
        began = time.monotonic()
        with pytest.raises(Unknown, match="did not answer in time"):
            Vendor(workdir=tmp_path, base_url=server.url).call("POST", "/make", json={}, paid=True, timeout_s=0.3)
        assert time.monotonic() - began < 3


def order(vendor):
    return vendor.call("POST", "/make", json={}, paid=True)


@responses.activate
def test_an_answer_is_its_json_and_the_key_goes_in_a_header(vendor, wire):
    responses.post(f"{URL}/make", json={"id": 1})
    assert order(vendor) == {"id": 1}
    assert responses.calls[0].request.headers["Authorization"] == "Bearer k"
    assert "k" not in responses.calls[0].request.url.removeprefix(URL + "/make")
    assert wire == [1]


@responses.activate
@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, Rejected) for status in (400, 404, 405, 413, 422)),
        *((status, Unauthorised) for status in (401, 403)),
        (402, OutOfCredit),
        (429, RateLimited),
        *((status, Unknown) for status in (301, 302, 408, 409, 418, 500, 502, 503, 504)),
    ],
)
def test_every_status_has_one_meaning_and_makes_one_request(vendor, status, error):
    responses.post(f"{URL}/make", status=status, json={"error": "x"}, headers={"Location": "https://elsewhere.example"})
    with pytest.raises(error) as caught:
        order(vendor)
    assert type(caught.value) is error
    assert "Vendor" in caught.value.message
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (ConnectTimeout(), NotSent),
        (ConnectionError("NewConnectionError: refused"), NotSent),
        (ConnectionError("NameResolutionError: no such host"), NotSent),
        (ConnectionError("SSLError: bad certificate"), NotSent),
        (ConnectionError("RemoteDisconnected"), Unknown),
        (ReadTimeout(), Unknown),
        (ChunkedEncodingError(), Unknown),
    ],
)
def test_only_what_provably_never_left_is_not_sent(vendor, trouble, error):
    responses.post(f"{URL}/make", body=trouble)
    with pytest.raises(error):
        order(vendor)
    assert len(responses.calls) == 1


@responses.activate
def test_an_answer_that_cannot_be_read_is_unknown(vendor):
    responses.post(f"{URL}/make", body="<html>")
    with pytest.raises(Unknown, match="unreadable"):
        order(vendor)


def answer(value):
    response = requests.Response()
    response.headers["Retry-After"] = value
    return response


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), ("", None)])
def test_retry_after_in_seconds(value, seconds):
    assert retry_after(answer(value)) == seconds


def test_retry_after_as_a_date():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 <= retry_after(answer(later)) <= 30


def test_what_is_not_declared_is_blind_and_gets_a_minute():
    assert Vendor.recovery_of(Capability.IMAGE) is Recovery.BLIND
    assert Vendor.deadline_of(Capability.IMAGE) == 60.0


@responses.activate
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_a_key_that_the_vendor_repeats_stands_in_no_message(tmp_path, status):
    responses.post(f"{URL}/make", status=status, body="Incorrect API key provided: sk-secret-77.")
    with pytest.raises((Rejected, Unauthorised, Unknown)) as caught:
        order(Vendor(workdir=tmp_path, key="sk-secret-77"))
    assert "sk-secret-77" not in caught.value.message + caught.value.detail
    assert "********" in caught.value.detail


@pytest.mark.parametrize(
    "path", [".evil.example/x", "@evil.example/x", "HTTPS://evil.example/x", "https://evil.example/x"]
)
def test_the_key_goes_to_no_other_host(vendor, path):
    with pytest.raises(Unknown, match="somebody else"):
        vendor.address(path)
