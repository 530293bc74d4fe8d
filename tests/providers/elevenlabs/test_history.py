"""A voice whose answer was lost is found in the history of the account."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from providers.adapters.elevenlabs import ElevenLabs
from providers.exceptions import Unknown
from providers.types import Capability, Finished, JobState
from tests.providers.recorded import adapter_at, playing
from tests.providers.speaking import until_over

from .conftest import GEORGE, HOUR, RACHEL, TEXT, bills, cues, now, own


def test_a_lost_voice_is_found_in_the_history_and_heard_without_a_second_bill(vendors, eleven, voice):
    vendors.control("elevenlabs", next=["lose_after_accept"])
    with pytest.raises(Unknown):
        eleven.submit(voice)
    eleven.submit(replace(voice, prompt="Another text."))
    eleven.submit(replace(voice, voice=RACHEL))
    eleven.submit(replace(voice, offer="eleven_v3"))
    alike = [
        job
        for job in eleven.list_jobs(now() - HOUR, now() + HOUR)
        if job.fingerprint == ElevenLabs.fingerprint_of(voice)
    ]
    assert [(job.state, job.units, job.capability) for job in alike] == [
        (JobState.FINISHED, {"credits": 59}, Capability.VOICEOVER)
    ]
    answer = until_over(eleven, alike[0].external_id)
    assert [output.role for output in answer.outputs] == ["", "srt"]
    assert answer.outputs[0].media_type == "audio/mpeg"
    assert answer.units == {"credits": 59}
    assert [word for word, _, _ in cues(answer)] == TEXT.split()
    assert len(bills(vendors)) == 4


def test_the_history_names_a_voice_as_its_answer_did(eleven, voice):
    """Else each voice would look like a stranger's to the hourly sweep, and be booked twice."""
    ids = [eleven.submit(replace(voice, prompt=f"Text {number}.")).external_id for number in range(3)]
    jobs = eleven.list_jobs(now() - HOUR, now() + HOUR)
    assert {job.external_id for job in jobs} == set(ids)
    assert all(len(job.external_id) == 20 for job in jobs)


def test_the_history_is_read_page_by_page_the_oldest_first(vendors, eleven, voice):
    vendors.control("elevenlabs", page_size=2, latency_s=[0, 0], media="tiny")
    ids = [eleven.submit(replace(voice, prompt=f"Text {number}.")).external_id for number in range(5)]
    jobs = eleven.list_jobs(now() - HOUR, now() + HOUR)
    assert sorted(job.external_id for job in jobs) == sorted(ids)
    assert [job.created_at for job in jobs] == sorted(job.created_at for job in jobs)
    assert isinstance(eleven.poll(ids[0]), Finished)


def test_the_history_is_of_the_stretch_that_was_asked_for(eleven, voice):
    eleven.submit(voice)
    assert eleven.list_jobs(now() - 2 * HOUR, now() - HOUR) == []


def test_a_voice_that_is_still_made_is_not_in_the_history_yet(vendors, eleven, voice):
    """So what is missing now proves nothing before the longest call can have ended."""
    vendors.control("elevenlabs", next=["reset_after_accept"], latency_s=[120, 120])
    with pytest.raises(Unknown):
        eleven.submit(voice)
    vendors.control("elevenlabs", list_lag_s=3600)
    assert eleven.list_jobs(now() - HOUR, now() + HOUR) == []
    assert ElevenLabs.list_lag_s >= ElevenLabs.deadline_of(Capability.VOICEOVER)


def items(*changes):
    usual = {
        "history_item_id": "h",
        "request_id": "r",
        "voice_id": GEORGE,
        "model_id": "eleven_multilingual_v2",
        "text": TEXT,
        "date_unix": 1_795_000_000,
        "character_count_change_from": 10,
        "character_count_change_to": 69,
        "content_type": "audio/mpeg",
        "state": "created",
    }
    return [{**usual, **change} for change in changes]


def listed(tmp_path, *pages, since=None):
    at = datetime.fromtimestamp(1_795_000_000, UTC)
    with playing([{"body": page} for page in pages]) as recorder:
        found = adapter_at(ElevenLabs, recorder.url, tmp_path).list_jobs(since or at - HOUR, at + HOUR)
    return found, recorder.asked


def test_the_list_says_how_things_stand(tmp_path):
    changes = [
        {"request_id": "a"},
        {"request_id": "b", "state": "processing"},
        {"request_id": "c", "state": "deleted"},
        {"request_id": "d", "state": "simmering"},
        {"request_id": None, "text": None, "voice_id": None, "model_id": None},
        {"request_id": "e", "character_count_change_to": 3},
    ]
    jobs, _ = listed(tmp_path, {"history": items(*changes), "has_more": False})
    found = {job.external_id: (job.state.value, job.units, job.billed) for job in jobs}
    credits = {"credits": 59}
    assert found == {
        "a": ("finished", credits, True),
        "b": ("running", credits, True),
        "c": ("failed", credits, True),
        "d": ("running", credits, True),
        "h": ("finished", credits, True),
        "e": ("finished", {}, True),
    }


def test_a_vendor_that_passes_over_dates_is_not_read_to_the_end_of_time(tmp_path):
    old = items({"request_id": "new"}, {"request_id": "old", "date_unix": 1_700_000_000})
    jobs, asked_for = listed(tmp_path, {"history": old, "has_more": True})
    assert [job.external_id for job in jobs] == ["new"]
    assert len(asked_for) == 1


def test_a_second_that_has_begun_counts(tmp_path):
    since = datetime.fromtimestamp(1_795_000_000, UTC) + timedelta(milliseconds=900)
    jobs, (sent,) = listed(tmp_path, {"history": items({}), "has_more": False}, since=since)
    assert len(jobs) == 1
    assert "date_after_unix=1795000000" in sent.path
    assert "source=TTS" in sent.path


@pytest.mark.parametrize(
    "page",
    [
        {"history": [], "has_more": True},
        {"history": items({"state": None}), "has_more": False},
        {"history": items({"date_unix": 1e14}), "has_more": False},
        {"history": items({"date_unix": "soon"}), "has_more": False},
        {"history": items({"history_item_id": None, "request_id": None}), "has_more": False},
        {"history": items({})},
        {"history": None, "has_more": False},
        {},
        [],
    ],
)
def test_half_a_history_proves_nothing(tmp_path, page):
    with pytest.raises(Unknown):
        listed(tmp_path, page)


def test_a_history_without_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("providers.adapters.elevenlabs.adapter.MOST_PAGES", 3)
    page = {"history": items({}), "has_more": True}
    with pytest.raises(Unknown, match="longer than can be looked through"):
        listed(tmp_path, page, page, page)


def test_lost_ones_are_told_apart_by_what_is_spoken_and_by_whom(voice):
    same = [replace(voice, seed=8), replace(voice, tag="x"), replace(voice, prompt=f" {TEXT}\n")]
    same += [replace(voice, voice="George"), replace(voice, width=7)]
    other = [replace(voice, voice=RACHEL), replace(voice, offer="eleven_v3"), replace(voice, prompt="No.")]
    mine = ElevenLabs.fingerprint_of(voice)
    assert {ElevenLabs.fingerprint_of(request) for request in same} == {mine}
    assert mine not in {ElevenLabs.fingerprint_of(request) for request in other}
    assert ElevenLabs.fingerprint_of(own(voice, model_id="eleven_v3")) == ElevenLabs.fingerprint_of(other[1])
