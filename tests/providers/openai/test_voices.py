"""Voices of OpenAI, in events and in bare sound."""

from __future__ import annotations

import base64
import time
from dataclasses import replace

import pytest

from providers import base, pricing
from providers.exceptions import Rejected, Unknown
from providers.types import Capability
from tests.providers.recorded import adapter_at, playing

from .conftest import OpenAI, own, price_of


def test_a_voice_comes_with_its_price(vendor, vendors, voice):
    answer = vendor.submit(voice)
    (bill,) = vendors.books("openai")["bills"]
    assert answer.outputs[0].content.startswith(b"ID3")
    assert pricing.cost(price_of(voice), answer.units) == bill["amount_micro"] > 0


def test_an_older_voice_is_paid_by_the_letter(vendor, vendors, voice):
    request = replace(voice, offer="tts-1", voice="alloy")
    answer = vendor.submit(request)
    (bill,) = vendors.books("openai")["bills"]
    assert answer.units == {"characters": len(voice.prompt)}
    assert pricing.cost(price_of(request), answer.units) == bill["amount_micro"] == 15 * len(voice.prompt)


def test_a_text_that_is_too_long_is_not_sent(vendor, vendors, voice):
    with pytest.raises(Rejected, match="4,096 characters"):
        vendor.submit(replace(voice, prompt="x" * 4097))
    assert vendors.books("openai")["bills"] == []


def test_a_server_without_events_gives_bare_sound(tmp_path, voice):
    sound = {"base64": base64.b64encode(b"RIFF\0\0\0\0WAVEfmt ").decode()}
    request = own(voice, stream_format=None, response_format="wav")
    with playing([sound]) as recorder:
        answer = adapter_at(OpenAI, recorder.url, tmp_path).submit(request)
    assert "stream_format" not in recorder.asked[0].json()
    assert answer.outputs[0].media_type == "audio/wav"
    assert answer.units == {"characters": len(voice.prompt)}


@pytest.mark.parametrize(
    "line",
    [
        "data: nonsense",
        "data: 7",
        "data: []",
        'data: {"type": 7}',
        'data: {"type": ["speech.audio.delta"]}',
        'data: {"type": "speech.audio.delta"}',
        'data: {"type": "speech.audio.delta", "audio": "%"}',
        'data: {"type": "speech.audio.delta", "audio": {}}',
        'data: {"type": "speech.audio.done", "usage": 7}',
        'data: {"type": "speech.audio.done", "usage": {"output_tokens": "many"}}',
        'data: {"type": "speech.audio.done", "usage": {"output_tokens": -1}}',
        "data: " + "[" * 100_000,
    ],
)
def test_events_that_make_no_sense_are_unknown(tmp_path, voice, line):
    with playing([{"text": line + "\n\n"}]) as recorder, pytest.raises(Unknown):
        adapter_at(OpenAI, recorder.url, tmp_path).submit(voice)


def test_a_voice_in_events_is_bounded_too(tmp_path, voice, monkeypatch):
    monkeypatch.setattr(base, "MOST_BYTES", 100_000)
    with playing([{"text": "data: " + "x" * 300_000}]) as recorder, pytest.raises(Unknown):
        adapter_at(OpenAI, recorder.url, tmp_path).submit(voice)


@pytest.mark.slow
def test_a_voice_that_drips_is_cut_off_in_time(vendor, vendors, voice, monkeypatch):
    monkeypatch.setattr(OpenAI, "deadline_s", {Capability.VOICEOVER: 0.3})
    vendors.control("openai", next=["slow_answer"], drip_s=6000)
    began = time.monotonic()
    with pytest.raises(Unknown):
        vendor.submit(voice)
    assert time.monotonic() - began < 3
