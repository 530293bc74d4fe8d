"""Jobs in bulk at OpenAI."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from providers import pricing
from providers.adapters.openai import bulk
from providers.exceptions import NotSent, OutOfCredit, RateLimited, Rejected, Unknown
from providers.types import BulkState, Capability, Failed, Finished
from tests.providers.recorded import adapter_at, playing

from .conftest import OpenAI, a_file, handed_in, over, price_of, several


@pytest.mark.slow
def test_a_bulk_job_answers_every_line_at_half_the_price(quick, vendors, script):
    requests = several(script)
    job = over(quick, handed_in(quick, requests))
    assert (job.word, job.done) == ("completed", 4)
    outcomes = dict(bulk.read(quick, job, requests))
    assert all(isinstance(outcome, Finished) for outcome in outcomes.values())
    bills = vendors.bills("openai")
    for tag, outcome in outcomes.items():
        assert bills[tag][0]["amount_micro"] == -(-pricing.cost(price_of(script), outcome.units) // 2)


@pytest.mark.parametrize("kind", ["image", "moderation"])
def test_pictures_and_moderation_are_sold_in_bulk_too(request, quick, kind):
    requests = several(replace(request.getfixturevalue(kind), takes=2 if kind == "image" else 1))
    outcomes = dict(bulk.read(quick, over(quick, handed_in(quick, requests)), requests))
    assert [type(outcome) for outcome in outcomes.values()] == [Finished] * 4
    assert {len(outcome.outputs) for outcome in outcomes.values()} == {2 if kind == "image" else 1}


def test_a_completed_job_may_have_failed_in_every_line(quick, vendors, image):
    vendors.control("openai", next_bulk=["no_output"])
    requests = several(image)
    job = over(quick, handed_in(quick, requests))
    assert job.word == "completed"
    assert len(job.files) == 1
    outcomes = dict(bulk.read(quick, job, requests))
    assert all(isinstance(outcome, Rejected) and outcome.moderated for outcome in outcomes.values())
    assert set(outcomes) == set(requests)


def test_lines_that_failed_over_there_may_be_sent_again(quick, vendors, script, moderation):
    vendors.control("openai", next_bulk=["no_output", "no_output"])
    requests = several(script)
    outcomes = dict(bulk.read(quick, over(quick, handed_in(quick, requests)), requests))
    assert all(isinstance(outcome, Failed) and not outcome.billed for outcome in outcomes.values())
    requests = several(moderation)
    outcomes = dict(bulk.read(quick, over(quick, handed_in(quick, requests)), requests))
    assert all(isinstance(outcome, RateLimited) for outcome in outcomes.values())


def test_an_empty_name_of_the_error_file_is_none(quick, vendors, script):
    vendors.control("openai", account={"empty_error_file": True})
    job = over(quick, handed_in(quick, several(script)))
    assert len(job.files) == 1


def test_what_expired_was_not_worked_on(quick, vendors, script):
    vendors.control("openai", next_bulk=["expires"], bulk_latency_s=[100, 100])
    requests = several(script, 40)
    job = over(quick, handed_in(quick, requests))
    assert job.word == "expired"
    outcomes = dict(bulk.read(quick, job, requests))
    kinds = {type(outcome) for outcome in outcomes.values()}
    assert kinds == {Finished, NotSent}
    bills = vendors.bills("openai")
    assert all(bool(bills[tag][0]["amount_micro"]) is isinstance(o, Finished) for tag, o in outcomes.items())


@pytest.mark.parametrize("fault", ["lines_missing", "broken_line", "expires_silently"])
def test_a_line_that_nobody_speaks_of_is_unknown(quick, vendors, script, fault):
    vendors.control("openai", next_bulk=[fault], bulk_latency_s=[100, 100])
    requests = several(script, 40)
    outcomes = dict(bulk.read(quick, over(quick, handed_in(quick, requests)), requests))
    assert set(outcomes) == set(requests)
    assert {type(outcome) for outcome in outcomes.values()} == {Finished, Unknown}


@pytest.mark.parametrize("fault", ["lines_doubled", "strange_line"])
def test_lines_too_many_change_nothing(quick, vendors, script, fault):
    vendors.control("openai", next_bulk=[fault])
    requests = several(script, 8)
    told = list(bulk.read(quick, over(quick, handed_in(quick, requests)), requests))
    assert sorted(tag for tag, _ in told) == sorted(requests)


def test_a_file_that_is_gone_says_so(quick, vendors, script):
    vendors.control("openai", next_bulk=["output_gone"])
    requests = several(script)
    with pytest.raises(Rejected):
        dict(bulk.read(quick, over(quick, handed_in(quick, requests)), requests))


def test_a_file_that_cannot_be_used_names_the_line(quick, script):
    content = bulk.written(list(several(script).values())).splitlines(keepends=True)
    content[2] = b'{"custom_id": \n'
    job = over(quick, bulk.create(quick, bulk.upload(quick, b"".join(content), "b"), Capability.SCRIPT, "b"))
    assert job.state is BulkState.FAILED
    assert "line 3" in job.problem
    requests = several(script)
    outcomes = dict(bulk.read(quick, job, requests))
    assert all(isinstance(outcome, NotSent) for outcome in outcomes.values())


def test_too_much_waiting_at_once_fails_the_job_after_it_was_taken(quick, vendors, script):
    vendors.control("openai", next_bulk=["token_limit"])
    assert over(quick, handed_in(quick, several(script))).state is BulkState.FAILED


def test_a_lost_answer_is_found_by_its_tag(quick, vendors, script):
    since = datetime.now(UTC) - timedelta(minutes=5)
    requests = several(script)
    vendors.control("openai", next=["lose_after_accept"])
    with pytest.raises(Unknown):
        handed_in(quick, requests, "the-lost-one")
    for number in range(3):
        handed_in(quick, requests, f"another-{number}")
    found = bulk.find(quick, "the-lost-one", since)
    assert found.tag == "the-lost-one"
    assert bulk.find(quick, "never-sent", since) is None


def test_the_listing_is_looked_through_page_by_page(quick, monkeypatch, script):
    monkeypatch.setattr(bulk, "PAGE", 2)
    requests = several(script, 1)
    first = handed_in(quick, requests, "the-first")
    for number in range(4):
        handed_in(quick, requests, f"another-{number}")
    since = datetime.now(UTC) - timedelta(minutes=5)
    assert bulk.find(quick, "the-first", since).external_id == first.external_id


def test_a_cancelled_job_gives_what_it_has(vendor, vendors, script):
    vendors.control("openai", bulk_validate_s=[0, 0], bulk_latency_s=[5000, 5000], bulk_cancel_s=60)
    requests = several(script)
    job = handed_in(vendor, requests)
    assert bulk.cancel(vendor, job.external_id).word in ("cancelling", "cancelled")
    job = over(vendor, job)
    assert job.word == "cancelled"
    outcomes = dict(bulk.read(vendor, job, requests))
    assert {type(outcome) for outcome in outcomes.values()} <= {Finished, NotSent}


def test_what_cannot_be_sent_in_bulk_is_refused_here(script, image, voice, tmp_path):
    for requests, words in (
        ([], "at least one"),
        ([script, image], "one model"),
        ([replace(voice, tag="v")], "no voiceover"),
        ([replace(image, inputs=(a_file(tmp_path),))], "reference"),
        ([script, script], "tags"),
    ):
        with pytest.raises(Rejected, match=words):
            bulk.written(requests)


def test_a_word_that_is_new_is_still_running(tmp_path):
    body = {"id": "batch_1", "object": "batch", "status": "percolating", "created_at": 1795000000}
    with playing([{"body": body}]) as recorder:
        job = bulk.look(adapter_at(OpenAI, recorder.url, tmp_path), "batch_1")
    assert (job.state, job.unknown_status) == (BulkState.RUNNING, "percolating")


LINES = {
    "refused": ({"status_code": 400, "body": {"error": {"code": "moderation_blocked"}}}, None, Rejected),
    "too fast": ({"status_code": 429, "body": {"error": {"code": "rate_limit_exceeded"}}}, None, RateLimited),
    "no money": ({"status_code": 429, "body": {"error": {"type": "insufficient_quota"}}}, None, OutOfCredit),
    "failed": ({"status_code": 503, "body": {"error": {"code": "server_is_overloaded"}}}, None, Failed),
    "expired": (None, {"code": "batch_expired", "message": "expired"}, NotSent),
    "empty": ({"status_code": 200, "body": None}, None, Unknown),
    "nothing": (None, None, NotSent),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_means_what_stands_in_it(tmp_path, script, name):
    response, error, kind = LINES[name]
    adapter = adapter_at(OpenAI, "http://127.0.0.1:9", tmp_path)
    line = adapter.said(json.dumps({"custom_id": "t", "response": response, "error": error}).encode())
    assert type(bulk.outcome(adapter, line, script)) is kind


def test_a_file_of_lines_is_read_in_pieces():
    assert list(bulk._split("OpenAI", [b"ab", b"c\nde", b"f\n", b"\ngh"])) == [b"abc", b"def", b"", b"gh"]
