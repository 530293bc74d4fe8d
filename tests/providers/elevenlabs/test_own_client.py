"""The vendor's own client understands the simulator."""

from __future__ import annotations

import base64
import time

import httpx
import pytest

from providers.adapters.elevenlabs import ElevenLabs

from .conftest import GEORGE, TEXT, account

NO_RETRY = {"max_retries": 0}


@pytest.fixture
def client(vendors):
    from elevenlabs.client import ElevenLabs as Client

    with httpx.Client() as wire:
        yield Client(api_key="a-key", base_url=f"{vendors.url}/elevenlabs", httpx_client=wire)


@pytest.mark.slow
def test_its_own_client_hears_a_voice_and_its_times(vendors, client):
    told = client.text_to_speech.convert_with_timestamps(
        voice_id=GEORGE, text=TEXT, model_id="eleven_multilingual_v2", request_options=NO_RETRY
    )
    assert base64.b64decode(told.audio_base_64).startswith(b"ID3")
    assert "".join(told.alignment.characters) == TEXT
    assert told.alignment.character_end_times_seconds[-1] > 4
    sound = b"".join(client.text_to_speech.convert(voice_id=GEORGE, text=TEXT, request_options=NO_RETRY))
    assert sound.startswith(b"ID3")


def test_its_own_client_reads_the_headers(client):
    with client.text_to_speech.with_raw_response.convert(voice_id=GEORGE, text="Hello.") as raw:
        headers = {name.lower(): value for name, value in raw.headers.items()}
        assert (headers["character-cost"], len(headers["request-id"])) == ("6", 20)
        assert b"".join(raw.data)


def test_its_own_client_looks_through_the_history_and_hears_it_again(eleven, voice, client):
    made = eleven.submit(voice)
    page = client.history.list(source="TTS", date_after_unix=int(time.time()) - 3600, request_options=NO_RETRY)
    (item,) = page.history
    assert (item.request_id, item.text, item.state) == (made.external_id, TEXT, "created")
    assert b"".join(client.history.get_audio(item.history_item_id)) == made.outputs[0].content
    assert client.history.get(item.history_item_id).voice_name == "George"


def test_its_own_client_knows_the_account_the_models_and_the_voices(vendors, client):
    account(vendors, used=41_234, limit=121_000, beyond="unlimited", tier="creator")
    plan = client.user.subscription.get(request_options=NO_RETRY)
    assert (plan.tier, plan.character_count, plan.max_credit_limit_extension) == ("creator", 41_234, "unlimited")
    models = {model.model_id: model.model_rates.character_cost_multiplier for model in client.models.list()}
    assert models["eleven_flash_v2_5"] == 0.5
    assert models.keys() >= {offer.name for offer in ElevenLabs.offers}
    voices = client.voices.search(page_size=4)
    assert (len(voices.voices), voices.has_more) == (4, True)
    assert client.voices.get(GEORGE).name == "George"


def test_its_own_client_stitches_what_is_fresh(vendors, eleven, voice, client):
    from elevenlabs.core.api_error import ApiError

    fresh = eleven.submit(voice).external_id
    stitched = {"voice_id": GEORGE, "text": "And on.", "previous_request_ids": [fresh], "request_options": NO_RETRY}
    assert client.text_to_speech.convert_with_timestamps(**stitched).audio_base_64
    with pytest.raises(ApiError) as caught:
        client.text_to_speech.convert_with_timestamps(**{**stitched, "previous_request_ids": ["unknown"]})
    assert caught.value.status_code == 400
    with pytest.raises(ApiError) as caught:
        client.text_to_speech.convert_with_timestamps(**stitched, model_id="eleven_v3")
    assert caught.value.body["detail"]["code"] == "unsupported_model"


@pytest.mark.parametrize("errors", ["new", "old"])
def test_its_own_client_raises_its_own_errors(vendors, client, errors):
    from elevenlabs.core.api_error import ApiError
    from elevenlabs.errors import UnprocessableEntityError

    account(vendors, limit=3, errors=errors)

    def speak(**more):
        with pytest.raises(ApiError) as caught:
            client.text_to_speech.convert_with_timestamps(
                **{"voice_id": GEORGE, "text": "Hello.", "request_options": NO_RETRY, **more}
            )
        return caught.value

    spent = speak()
    assert (spent.status_code, spent.body["detail"]["status"]) == (401, "quota_exceeded")
    assert ("code" in spent.body["detail"]) is (errors == "new")
    assert isinstance(speak(text=7), UnprocessableEntityError)
    assert speak(voice_id="nobody").body["detail"]["status"] == "voice_not_found"
    account(vendors, busy=True, errors=errors)
    assert speak().status_code == 429
