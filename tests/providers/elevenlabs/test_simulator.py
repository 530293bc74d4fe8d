"""The simulator speaks as ElevenLabs documents it."""

from __future__ import annotations

import json
import threading
import time

import pytest
import requests

from tests.providers import schemas
from tests.simulator import protocols
from tests.simulator.replies import Asked

from .conftest import PATH, account, bills


def ask(vendors, method, path, *, key="a-key", **more):
    headers = {"xi-api-key": key} if key else {}
    return requests.request(method, f"{vendors.url}/elevenlabs{path}", headers=headers, timeout=10, **more)


def test_its_answers_are_as_the_vendor_documents_them(vendors, eleven, voice):
    told = ask(vendors, "POST", PATH, json={"text": "It is 7.", "model_id": "eleven_multilingual_v2"})
    assert schemas.answer_trouble("elevenlabs", "POST", PATH, 200, told.json()) == []
    assert "".join(told.json()["normalized_alignment"]["characters"]) == "It is seven ."
    eleven.submit(voice)
    for path in ("/v1/history", "/v1/user/subscription", "/v2/voices", "/v1/models"):
        assert schemas.answer_trouble("elevenlabs", "GET", path, 200, ask(vendors, "GET", path).json()) == []
    item = ask(vendors, "GET", "/v1/history").json()["history"][0]["history_item_id"]
    path = f"/v1/history/{item}"
    assert schemas.answer_trouble("elevenlabs", "GET", path, 200, ask(vendors, "GET", path).json()) == []
    wrong = ask(vendors, "POST", PATH, json={"model_id": "eleven_v3"})
    assert wrong.status_code == 422
    assert schemas.answer_trouble("elevenlabs", "POST", PATH, 422, wrong.json()) == []


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({}, 422, None),
        ({"text": 7}, 422, None),
        ({"text": "a", "previous_text": 7}, 422, None),
        ({"text": "a", "voice_settings": 7}, 422, None),
        ({"text": "a", "voice_settings": {"stability": 1.1}}, 422, None),
        ({"text": "a", "previous_request_ids": ["1", "2", "3", "4"]}, 422, None),
        ({"text": "a", "apply_text_normalization": "maybe"}, 422, None),
        ({"text": "a", "voice_settings": {"speed": 1.3}}, 400, "invalid_voice_settings"),
        ({"text": " "}, 400, "empty_text"),
        ({"text": "a", "seed": 2**32}, 400, "invalid_parameters"),
        ({"text": "a", "model_id": "eleven_v9"}, 400, "invalid_parameters"),
        ({"text": "a", "model_id": "eleven_v3", "next_text": "b"}, 400, "unsupported_model"),
        ({"text": "x" * 10_001}, 400, "text_too_long"),
    ],
)
def test_it_refuses_what_the_vendor_refuses(vendors, body, status, word):
    told = ask(vendors, "POST", PATH, json=body)
    assert told.status_code == status
    detail = told.json()["detail"]
    assert (detail["code"] if word else isinstance(detail, list)) == (word or True)
    assert told.headers["x-trace-id"]
    assert "request-id" not in told.headers
    assert bills(vendors) == []


def test_its_errors_come_in_three_shapes(vendors):
    assert isinstance(ask(vendors, "GET", "/v1/nothing").json()["detail"], str)
    assert isinstance(ask(vendors, "POST", PATH, json={}).json()["detail"], list)
    assert ask(vendors, "POST", PATH, key="", json={"text": "a"}).json()["detail"]["status"] == "needs_authorization"
    assert ask(vendors, "GET", "/v1/history?page_size=1001").status_code == 422


@pytest.mark.slow
def test_a_full_queue_refuses_only_after_a_while(vendors, voice):
    """What waits in line is not refused at once."""
    vendors.control("elevenlabs", latency_s=[600, 600], media="tiny")
    account(vendors, tier="free", queue=1)
    body = json.dumps({"text": "Hello."})
    threads = [threading.Thread(target=ask, args=(vendors, "POST", PATH), kwargs={"data": body}) for _ in range(3)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 5
    while len(bills(vendors)) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    began = time.monotonic()
    assert ask(vendors, "POST", PATH, data=body).status_code == 429
    assert 0.04 < time.monotonic() - began < 0.9
    for thread in threads:
        thread.join(10)


def test_ids_are_good_for_stitching_for_two_hours():
    class Books:
        def job(self, slug, job_id):
            return {"id": job_id, "done_at": 0.0, "cancelled_at": None, "starts_at": 0.0} if job_id == "b-a" else None

    class Vendors:
        books = Books()

        def status(self, job, at):
            return "succeeded"

    protocol = protocols.ALL["elevenlabs"]
    asked_at = {
        at: Asked(at=at, vendor="elevenlabs", method="POST", path=(), query={}, body={}, key="") for at in (7199, 7201)
    }
    protocol._check_stitch(Vendors(), asked_at[7199], "previous_request_ids", "a-b")
    with pytest.raises(ValueError, match="too old"):
        protocol._check_stitch(Vendors(), asked_at[7201], "previous_request_ids", "a-b")
