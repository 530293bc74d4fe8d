"""What leaves for ElevenLabs, and what is not sent at all."""

from __future__ import annotations

import io
import wave
from dataclasses import replace

import pytest

from providers.adapters.elevenlabs import ElevenLabs
from providers.exceptions import Rejected
from tests.providers import schemas
from tests.providers.recorded import adapter_at, playing

from .conftest import GEORGE, PATH, RACHEL, TEXT, own


def asked(tmp_path, request, **more):
    """What leaves for ElevenLabs."""
    with playing([{"status": 400, "body": {}}]) as recorder:
        adapter = adapter_at(ElevenLabs, recorder.url, tmp_path)
        adapter.options = more
        with pytest.raises(Rejected):
            adapter.submit(request)
    return recorder.asked[0]


def test_it_asks_for_what_the_request_says(tmp_path, voice):
    sent = asked(tmp_path, replace(voice, seed=2**32 + 5))
    assert sent.path == f"{PATH}?output_format=mp3_44100_128"
    assert sent.headers["xi-api-key"]
    assert "Authorization" not in sent.headers
    assert sent.json() == {"text": TEXT, "model_id": "eleven_multilingual_v2", "seed": 5}
    assert schemas.request_trouble("elevenlabs", "POST", sent.path, sent.json()) == []


@pytest.mark.parametrize(
    ("named", "sent"), [("", RACHEL), ("George", GEORGE), ("rachel", RACHEL), ("my/own?", "my%2Fown%3F"), ("x1", "x1")]
)
def test_a_voice_goes_by_its_id_by_a_known_name_or_is_the_usual_one(tmp_path, voice, named, sent):
    assert asked(tmp_path, replace(voice, voice=named)).path.split("/")[3] == sent


@pytest.mark.parametrize(
    ("offer", "language", "sent"),
    [
        ("eleven_flash_v2_5", "pt-BR", "pt"),
        ("eleven_flash_v2_5", "de", "de"),
        ("eleven_flash_v2_5", "", None),
        ("eleven_multilingual_v2", "de", None),
        ("eleven_v3", "de", None),
    ],
)
def test_the_language_is_named_only_to_models_that_can_be_told(tmp_path, voice, offer, language, sent):
    assert asked(tmp_path, replace(voice, offer=offer, language=language)).json().get("language_code") == sent


@pytest.mark.parametrize(
    ("offer", "goes"), [("eleven_multilingual_v2", True), ("eleven_v3", False), ("eleven_v4", False)]
)
def test_what_stands_around_the_text_goes_along_where_the_model_takes_it(tmp_path, voice, offer, goes):
    around = {"previous_text": "Before.", "next_text": "Behind."}
    body = asked(tmp_path, replace(voice, offer=offer, extra={**around, "next_text": "Behind."})).json()
    assert (around.items() <= body.items()) is goes
    assert "previous_text" not in asked(tmp_path, replace(voice, extra={"previous_text": ""})).json()


def test_an_admin_s_parameters_go_last(tmp_path, voice):
    settings = {"stability": 0.3, "speed": 1.1}
    sent = asked(tmp_path, own(voice, voice_settings=settings, seed=1, output_format="wav_24000"))
    assert sent.json() == {**asked(tmp_path, voice).json(), "voice_settings": settings, "seed": 1}
    assert sent.path.endswith("?output_format=wav_24000")


def test_the_format_stands_in_the_options_of_the_provider(tmp_path, voice):
    assert asked(tmp_path, voice, output_format="mp3_44100_192").path.endswith("=mp3_44100_192")


def test_a_wav_is_asked_for_and_kept(vendors, eleven, voice):
    (sound, _) = eleven.submit(own(voice, output_format="wav_24000")).outputs
    assert sound.media_type == "audio/wav"
    with wave.open(io.BytesIO(sound.content)) as heard:
        assert heard.getnframes() / heard.getframerate() > 4


@pytest.mark.parametrize("form", ["pcm_24000", "ulaw_8000", "alaw_8000", "mp3", "wav_24000&x=1"])
def test_bare_samples_that_no_player_knows_are_not_bought(vendors, eleven, voice, form):
    with pytest.raises(Rejected, match="cannot be kept"):
        eleven.submit(own(voice, output_format=form))
    assert vendors.books("elevenlabs")["requests"] == []


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_a_text_without_a_word_is_not_sent(vendors, eleven, voice, text):
    with pytest.raises(Rejected, match="nothing to say"):
        eleven.submit(replace(voice, prompt=text))
    assert vendors.books("elevenlabs")["requests"] == []
