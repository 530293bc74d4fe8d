"""ElevenLabs, against the simulator and beside its own client."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import threading
import time
import wave
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pysubs2
import pytest
import requests
from elevenlabs.client import ElevenLabs as Client
from elevenlabs.core.api_error import ApiError
from elevenlabs.errors import UnprocessableEntityError

from providers import catalogue, pricing
from providers.adapters.elevenlabs import ElevenLabs
from providers.answers import Said
from providers.base import HttpAnswer
from providers.exceptions import OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from providers.file_types import sniff
from providers.types import Capability, Finished, JobState, Request, VendorLimit
from tests.providers import schemas
from tests.providers.recorded import adapter_at, examples_of, playing
from tests.providers.speaking import adapter_for, until_over
from tests.simulator import protocols
from tests.simulator.replies import Asked

HOUR = timedelta(hours=1)
GEORGE, RACHEL = "JBFqnCBsd6RMkjVDRZzb", "21m00Tcm4TlvDq8ikWAM"
PATH = f"/v1/text-to-speech/{GEORGE}/with-timestamps"
TEXT = "Twice a day the sea rises, and twice it falls. Here is why."
NO_RETRY = {"max_retries": 0}


@pytest.fixture
def eleven(vendors, tmp_path):
    return adapter_for(vendors, "elevenlabs", tmp_path)


@pytest.fixture
def voice():
    return Request(
        capability=Capability.VOICEOVER,
        offer="eleven_multilingual_v2",
        prompt=TEXT,
        voice=GEORGE,
        seed=7,
        language="en",
    )


def account(vendors, **values):
    vendors.control("elevenlabs", account=values)


def bills(vendors):
    return [bill["amount_micro"] for bill in vendors.books("elevenlabs")["bills"]]


def price_of(request):
    return catalogue.of("elevenlabs").offer("voiceover", request.offer).price


def now():
    return datetime.now(UTC)


def seconds_of(content, tmp_path):
    path = tmp_path / "sound"
    path.write_bytes(content)
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def asked(tmp_path, request, **more):
    """What leaves for ElevenLabs."""
    with playing([{"status": 400, "body": {}}]) as recorder:
        adapter = adapter_at(ElevenLabs, recorder.url, tmp_path)
        adapter.options = more
        with pytest.raises(Rejected):
            adapter.submit(request)
    return recorder.asked[0]


def own(request, **parameters):
    return replace(request, extra={"vendor": parameters})


# -- a voice ---------------------------------------------------------------------------------------


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


# -- what is sent ----------------------------------------------------------------------------------


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


# -- when each word is spoken ----------------------------------------------------------------------


def cues(answer):
    (times,) = [output for output in answer.outputs if output.role == "srt"]
    assert sniff(times.content[:4096]) == "application/x-subrip"
    return [(cue.plaintext, cue.start, cue.end) for cue in pysubs2.SSAFile.from_string(times.content.decode())]


def spoken(tmp_path, request, *, letters=None, step=0.1):
    """The answer to a request whose letters are said to take a tenth of a second each."""
    (fine,) = [example.answers() for example in examples_of("elevenlabs") if example.name == "submit"]
    letters = list(request.prompt) if letters is None else letters
    fine[0]["body"]["alignment"] = {
        "characters": letters,
        "character_start_times_seconds": [place * step for place in range(len(letters))],
        "character_end_times_seconds": [(place + 1) * step for place in range(len(letters))],
    }
    with playing(fine) as recorder:
        return adapter_at(ElevenLabs, recorder.url, tmp_path).submit(request)


def test_each_word_has_its_time(eleven, voice):
    told = cues(eleven.submit(voice))
    assert [word for word, _, _ in told] == TEXT.split()
    assert all(start < end for _, start, end in told)
    assert all(one[2] <= other[1] for one, other in zip(told, told[1:], strict=False))


def test_the_pause_behind_a_word_is_not_its_own(tmp_path, voice):
    assert cues(spoken(tmp_path, replace(voice, prompt="Hi. — “So”"))) == [("Hi.", 0, 200), ("“So”", 600, 900)]


def test_where_no_spaces_stand_a_cue_goes_up_to_the_next_stop(tmp_path, voice):
    assert [word for word, _, _ in cues(spoken(tmp_path, replace(voice, prompt="海は、広い。空も広い。")))] == [
        "海は、",
        "広い。",
        "空も広い。",
    ]


@pytest.mark.parametrize(("offer", "words"), [("eleven_v3", ["Hush", "now."]), ("eleven_flash_v2_5", None)])
def test_directions_in_brackets_are_no_words(tmp_path, voice, offer, words):
    request = replace(voice, offer=offer, prompt="[whispers softly] Hush [sighs]now.")
    assert [word for word, _, _ in cues(spoken(tmp_path, request))] == (words or request.prompt.split())


def test_an_hour_is_written_as_one(tmp_path, voice):
    assert cues(spoken(tmp_path, replace(voice, prompt="So it is"), step=3600.0))[-1] == ("is", 21_600_000, 28_800_000)


@pytest.mark.parametrize(
    "letters", [[], list("Hi you"), list("Hi The"), ["Hi", " ", "there"], [*"Hi there", ""], [None] * 8]
)
def test_times_of_another_text_are_left_out(tmp_path, voice, letters):
    answer = spoken(tmp_path, replace(voice, prompt="Hi there"), letters=letters)
    assert [output.role for output in answer.outputs] == [""]


@pytest.mark.parametrize("text", ["…", "\U0001f600 —"])
def test_where_there_is_no_word_there_are_no_captions(tmp_path, voice, text):
    assert len(spoken(tmp_path, replace(voice, prompt=text)).outputs) == 1


def test_what_cannot_be_printed_does_not_cost_the_voice(tmp_path, voice):
    assert [word for word, _, _ in cues(spoken(tmp_path, replace(voice, prompt="So\x07 \u200bit is\x00")))] == [
        "So",
        "it",
        "is",
    ]


def test_without_an_alignment_the_voice_stands_alone(vendors, eleven, voice):
    account(vendors, aligns=False)
    assert [output.role for output in eleven.submit(voice).outputs] == [""]


def test_numbers_that_were_spelt_out_do_no_harm(eleven, voice):
    assert "24" in [word for word, _, _ in cues(eleven.submit(replace(voice, prompt="In 24 hours.")))]


# -- what goes wrong -------------------------------------------------------------------------------


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


# -- lost answers ----------------------------------------------------------------------------------


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


# -- the account -----------------------------------------------------------------------------------


def test_the_credits_that_are_left_fall_with_each_voice(vendors, eleven, voice):
    account(vendors, used=100, limit=1000)
    assert eleven.remaining() == 900
    eleven.submit(voice)
    assert eleven.remaining() == 841
    assert eleven.account() == (
        "841 credits are left until the plan's next month. The key may have a smaller limit of its own."
    )


def test_what_may_be_billed_beyond_the_plan_is_left_too(vendors, eleven):
    account(vendors, used=1000, limit=1000, beyond=250)
    assert eleven.remaining() == 250
    account(vendors, used=1000, limit=1000, beyond="unlimited")
    assert eleven.remaining() is None
    assert "no end" in eleven.account()


def test_how_many_calls_may_run_at_once_is_heard(eleven, voice):
    eleven.submit(voice)
    assert eleven.limits == (VendorLimit(unit="calls at once", limit=3, remaining=2),)
    assert eleven.nonsense == ""


@pytest.mark.parametrize(
    ("most", "current", "limits", "nonsense"),
    [
        ("10", "", [(10, None)], ""),
        ("2", "5", [(2, 0)], ""),
        ("0", "0", [], ""),
        ("many", "1", [], "maximum-concurrent-requests: many"),
        ("10", "-1", [(10, None)], "current-concurrent-requests: -1"),
        ("", "", [], ""),
    ],
)
def test_limits_that_make_no_sense_are_named_and_passed_over(eleven, most, current, limits, nonsense):
    said = {"Maximum-Concurrent-Requests": most, "current-concurrent-requests": current}
    told, wrong = eleven.limits_in({name: text for name, text in said.items() if text})
    assert [(limit.limit, limit.remaining) for limit in told] == limits
    assert wrong == nonsense


# -- the vendor's own client -----------------------------------------------------------------------


@pytest.fixture
def client(vendors):
    with httpx.Client() as wire:
        yield Client(api_key="a-key", base_url=f"{vendors.url}/elevenlabs", httpx_client=wire)


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
    fresh = eleven.submit(voice).external_id
    stitched = {"voice_id": GEORGE, "text": "And on.", "previous_request_ids": [fresh], "request_options": NO_RETRY}
    assert client.text_to_speech.convert_with_timestamps(**stitched).audio_base_64
    with pytest.raises(ApiError) as caught:
        client.text_to_speech.convert_with_timestamps(**{**stitched, "previous_request_ids": ["unknown"]})
    assert caught.value.status_code == 400
    with pytest.raises(ApiError) as caught:
        client.text_to_speech.convert_with_timestamps(**stitched, model_id="eleven_v3")
    assert caught.value.body["detail"]["code"] == "unsupported_model"


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


@pytest.mark.parametrize("errors", ["new", "old"])
def test_its_own_client_raises_its_own_errors(vendors, client, errors):
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


# -- the simulator speaks as the vendor documents it -----------------------------------------------


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


def test_an_error_is_read_whatever_its_shape():
    body = json.dumps({"detail": "Not Found"}).encode()
    assert Said("ElevenLabs", json.loads(body)).text("detail") == "Not Found"
    answer = HttpAnswer(404, {}, body)
    assert isinstance(ElevenLabs(workdir=lambda: None).error_of(answer), Rejected)
