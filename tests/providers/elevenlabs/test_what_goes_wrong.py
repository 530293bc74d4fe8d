"""What ElevenLabs refuses, and answers that are broken."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from providers import catalogue
from providers.adapters.elevenlabs import ElevenLabs
from providers.answers import Said
from providers.base import HttpAnswer
from providers.exceptions import OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from providers.types import Finished
from tests.providers.recorded import adapter_at, playing
from tests.providers.speaking import adapter_for

from .conftest import RACHEL, account, bills, own


def test_a_wrong_key_is_the_account_s_trouble(vendors, tmp_path, voice):
    for errors in ("new", "old"):
        account(vendors, errors=errors)
        with pytest.raises(Unauthorised):
            adapter_for(vendors, "elevenlabs", tmp_path, key="bad").submit(voice)


@pytest.mark.parametrize("errors", ["new", "old"])
def test_used_up_credits_are_no_wrong_key(vendors, eleven, voice, errors):
    account(vendors, used=990, limit=1000, errors=errors)
    with pytest.raises(OutOfCredit, match="10 credits left, and 59 are needed") as caught:
        eleven.submit(voice)
    assert caught.value.http_status == 401
    eleven.submit(replace(voice, prompt="Short."))
    with pytest.raises(OutOfCredit, match="4 credits left"):
        eleven.submit(replace(voice, prompt="Short."))


def test_beyond_the_plan_it_goes_on_where_that_may_be_billed(vendors, eleven, voice):
    for beyond in (60, "unlimited"):
        account(vendors, used=1000, limit=1000, beyond=beyond)
        assert isinstance(eleven.submit(voice), Finished)


def at_once(vendors, tmp_path, request, count):
    """How so many calls end that are out at the same time: numbers, and what was raised."""
    ended = []

    def call():
        adapter = adapter_for(vendors, "elevenlabs", tmp_path)
        try:
            ended.append(adapter.submit(request))
        except RateLimited as error:
            ended.append(error)
        finally:
            adapter.session.close()

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return ended


@pytest.mark.slow
@pytest.mark.parametrize(
    ("offer", "tier", "queue", "most", "errors"),
    [
        ("eleven_multilingual_v2", "starter", 0, 3, "new"),
        ("eleven_flash_v2_5", "starter", 0, 6, "old"),
        ("eleven_multilingual_v2", "free", 1, 3, "new"),
    ],
)
def test_what_is_too_many_at_once_is_refused_and_not_billed(vendors, voice, tmp_path, offer, tier, queue, most, errors):
    vendors.control("elevenlabs", latency_s=[900, 900], media="tiny")
    account(vendors, tier=tier, queue=queue, errors=errors)
    ended = at_once(vendors, tmp_path, replace(voice, offer=offer), most + 2)
    refused = [one for one in ended if isinstance(one, RateLimited)]
    assert len(refused) == 2
    assert {(one.http_status, one.message) for one in refused} == {
        (429, "ElevenLabs' plan allows no more calls at once.")
    }
    assert len(bills(vendors)) == most == len(ended) - 2


@pytest.mark.slow
def test_both_kinds_of_models_are_counted_apart(vendors, voice, tmp_path):
    vendors.control("elevenlabs", latency_s=[900, 900], media="tiny")
    ended = at_once(vendors, tmp_path, voice, 3)
    ended += at_once(vendors, tmp_path, replace(voice, offer="eleven_flash_v2_5"), 6)
    assert all(isinstance(one, Finished) for one in ended)


def test_the_catalogue_s_lanes_are_those_of_the_plan_starter():
    lanes = {lane.offer: lane.max_in_flight for lane in catalogue.of("elevenlabs").lanes}
    assert lanes == {"": 3, "eleven_flash_v2_5": 6}


def test_a_busy_vendor_and_a_fast_client_are_told_apart(vendors, eleven, voice):
    account(vendors, busy=True)
    with pytest.raises(RateLimited, match="too much to do"):
        eleven.submit(voice)
    account(vendors, busy=False)
    vendors.control("elevenlabs", limits=[{"requests": 1, "per_s": 3600}])
    eleven.submit(voice)
    with pytest.raises(RateLimited, match="slow down"):
        eleven.submit(voice)


@pytest.mark.parametrize("errors", ["new", "old"])
def test_what_is_too_long_is_refused_for_good(vendors, eleven, voice, errors):
    account(vendors, errors=errors)
    with pytest.raises(Rejected, match="longer than this model") as caught:
        eleven.submit(replace(voice, offer="eleven_v3", prompt="x" * 5001))
    assert not caught.value.moderated


@pytest.mark.parametrize("errors", ["new", "old"])
def test_an_unknown_voice_says_so(vendors, eleven, voice, errors):
    account(vendors, errors=errors)
    with pytest.raises(Rejected, match="does not know this voice"):
        eleven.submit(replace(voice, voice="nobody"))
    account(vendors, voices=["nobody"])
    eleven.submit(replace(voice, voice="nobody"))


@pytest.mark.parametrize(
    ("tier", "form", "given"),
    [
        ("starter", "mp3_44100_192", False),
        ("creator", "mp3_44100_192", True),
        ("creator", "wav_44100", False),
        ("pro", "wav_44100", True),
        ("free", "wav_24000", True),
    ],
)
@pytest.mark.parametrize("errors", ["new", "old"])
def test_a_format_of_a_higher_plan_stops_the_call_and_not_the_account(
    vendors, eleven, voice, tier, form, given, errors
):
    account(vendors, tier=tier, errors=errors)
    request = own(voice, output_format=form)
    if given:
        eleven.submit(request)
    else:
        with pytest.raises(Rejected, match="higher plan"):
            eleven.submit(request)


@pytest.mark.parametrize("errors", ["new", "old"])
def test_a_voice_of_the_library_is_not_for_free(vendors, eleven, voice, errors):
    account(vendors, tier="free", errors=errors)
    with pytest.raises(Rejected, match="higher plan"):
        eleven.submit(replace(voice, voice=RACHEL))


def test_a_bad_parameter_is_named(eleven, voice):
    with pytest.raises(Rejected, match="“stability”"):
        eleven.submit(own(voice, voice_settings={"stability": 3}))
    with pytest.raises(Rejected, match="“seed”"):
        eleven.submit(own(voice, seed=-1))


@pytest.mark.parametrize(
    "detail", [None, 7, [], {}, [None], [7], [[]], [{}], [{"loc": []}], [{"loc": {}}], {"code": {}}]
)
def test_strange_errors_are_still_errors(tmp_path, voice, detail):
    for status, kind in ((400, Rejected), (401, Unauthorised), (422, Rejected), (429, RateLimited), (500, Unknown)):
        with playing([{"status": status, "body": {"detail": detail}}]) as recorder, pytest.raises(kind):
            adapter_at(ElevenLabs, recorder.url, tmp_path).submit(voice)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("cut_answer", Unknown),
        ("lose_after_accept", Unknown),
        ("garbage_after", Unknown),
        ("500_after", Unknown),
        ("no_id", Unknown),
        ("broken_file", None),
        ("wrong_type", Unknown),
    ],
)
def test_an_answer_that_is_broken_is_never_taken_for_a_voice(vendors, eleven, voice, fault, error):
    vendors.control("elevenlabs", next=[fault])
    if error:
        with pytest.raises(error):
            eleven.submit(voice)
    else:  # half a file is a file: the checks hear it
        assert eleven.submit(voice).outputs[0].media_type == "audio/mpeg"
    assert len(bills(vendors)) == 1


def test_an_error_is_read_whatever_its_shape():
    body = json.dumps({"detail": "Not Found"}).encode()
    assert Said("ElevenLabs", json.loads(body)).text("detail") == "Not Found"
    answer = HttpAnswer(404, {}, body)
    assert isinstance(ElevenLabs(workdir=lambda: None).error_of(answer), Rejected)
