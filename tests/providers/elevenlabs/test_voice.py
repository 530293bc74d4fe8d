"""A text becomes a voice at ElevenLabs, and what it costs."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pysubs2
import pytest

from providers import catalogue, pricing
from providers.adapters.elevenlabs import ElevenLabs
from tests.providers.recorded import adapter_at, examples_of, playing
from tests.providers.speaking import adapter_for

from .conftest import HOUR, TEXT, account, bills, now


def price_of(request):
    return catalogue.of("elevenlabs").offer("voiceover", request.offer).price


def seconds_of(content, tmp_path):
    path = tmp_path / "sound"
    path.write_bytes(content)
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.ffmpeg
def test_a_text_becomes_a_voice_that_plays_as_long_as_its_words(eleven, voice, tmp_path):
    answer = eleven.submit(voice)
    sound, times = answer.outputs
    assert (sound.media_type, sound.role) == ("audio/mpeg", "")
    assert (times.media_type, times.role) == ("application/x-subrip", "srt")
    last = pysubs2.SSAFile.from_string(times.content.decode())[-1]
    assert 4 < last.end / 1000 <= seconds_of(sound.content, tmp_path) + 0.1


@pytest.mark.parametrize("offer", [offer.name for offer in ElevenLabs.offers])
def test_each_model_is_billed_as_the_catalogue_says(vendors, eleven, voice, offer):
    request = replace(voice, offer=offer)
    answer = eleven.submit(request)
    most = ElevenLabs.most_units(request)
    assert answer.units == {"characters": len(TEXT), "credits": most["credits"]}
    assert bills(vendors) == [pricing.cost(price_of(request), answer.units)]
    assert most["credits"] == (30 if "flash" in offer else 59)  # half of 59, rounded up


@pytest.mark.parametrize("header", ["character-cost", "x-character-count", ""])
def test_what_it_cost_is_read_from_either_header_and_else_computed(vendors, eleven, voice, header):
    account(vendors, cost_header=header)
    assert eleven.submit(voice).units["credits"] == 59


@pytest.mark.parametrize("told", ["", "-5", "many", "1e9", "0x10", "٣"])
def test_a_cost_that_is_no_number_is_computed(tmp_path, voice, told):
    (fine,) = [example.answers() for example in examples_of("elevenlabs") if example.name == "submit_without_cost"]
    fine[0]["headers"]["character-cost"] = told.encode().decode("latin-1")
    with playing(fine) as recorder:
        answer = adapter_at(ElevenLabs, recorder.url, tmp_path).submit(replace(voice, prompt="a lake at dawn"))
    assert answer.units["credits"] == 14


def test_a_plan_that_pays_less_a_letter_is_booked_with_what_it_pays(tmp_path, voice):
    (fine,) = [example.answers() for example in examples_of("elevenlabs") if example.name == "submit"]
    fine[0]["headers"]["character-cost"] = "0"
    with playing(fine) as recorder:
        answer = adapter_at(ElevenLabs, recorder.url, tmp_path).submit(replace(voice, prompt="a lake at dawn"))
    assert answer.units["credits"] == 0


def test_only_what_costs_something_is_announced(vendors, voice, tmp_path):
    left = []
    eleven = adapter_for(vendors, "elevenlabs", tmp_path, on_wire=lambda: left.append("one"))
    made = eleven.submit(voice)
    assert left == ["one"]
    eleven.list_jobs(now() - HOUR, now() + HOUR)
    eleven.poll(made.external_id)
    eleven.account()
    assert left == ["one"]


def test_the_same_text_twice_costs_twice_and_has_two_ids(vendors, eleven, voice):
    first, second = eleven.submit(voice), eleven.submit(voice)
    assert first.external_id != second.external_id
    assert len(bills(vendors)) == 2
