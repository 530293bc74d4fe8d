"""Kling AI in both designs of its interface, against recorded answers and the simulator."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from providers.adapters.kling import Kling, token
from providers.exceptions import (
    BadSignature,
    CallError,
    NotSent,
    OutOfCredit,
    RateLimited,
    Rejected,
    Unauthorised,
    Unknown,
)
from providers.types import Accepted, Capability, Failed, Finished, InputFile, JobState, Recovery, Request, Running
from tests.providers.recorded import FIXTURES, KEY, Example, adapter_at, differences, mangled, play, playing, request_of
from tests.providers.speaking import adapter_for, made, until_over
from tests.simulator import receiver

PAIR = "access:secret"
TAG = "a" * 32


class Classic(Kling):
    """As it is with a pair of access keys."""

    def __init__(self, **given):
        super().__init__(**{**given, "key": f"{KEY}:{KEY}"})


CLASSIC = [Example(name, said) for name, said in json.loads((FIXTURES / "kling.json").read_text())["classic"].items()]


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "frame.png"
    Image.new("RGB", (640, 360), "teal").save(path)
    return InputFile(path=path, sha256="0" * 64, media_type="image/png", role="image")


@pytest.fixture
def clip(picture):
    return Request(
        capability=Capability.CLIP,
        offer="kling-2.5-turbo",
        prompt="slow dolly in",
        inputs=(picture,),
        width=1280,
        height=720,
        seconds=5.0,
        tag=TAG,
    )


@pytest.fixture(params=["a-key", PAIR], ids=["new", "classic"])
def kling(request, vendors, tmp_path):
    return adapter_for(vendors, "kling", tmp_path, key=request.param)


@pytest.fixture
def new(vendors, tmp_path):
    return adapter_for(vendors, "kling", tmp_path)


@pytest.fixture
def classic(vendors, tmp_path):
    return adapter_for(vendors, "kling", tmp_path, key=PAIR)


# -- the classic design, held to what every adapter keeps to ---------------------------------------


@pytest.mark.parametrize("example", CLASSIC, ids=lambda example: example.name)
def test_a_classic_answer_means_what_its_vendor_says(example, tmp_path):
    with playing(example.answers()) as recorder:
        found = play(example, Classic, recorder, tmp_path)
    assert differences(found, example.said["means"]) == {}
    assert KEY not in f"{found!r} {getattr(found, 'message', '')} {getattr(found, 'detail', '')}"
    assert len(recorder.asked) == 1


@pytest.mark.parametrize("trouble", ["hang", "reset", 408, 409, 429, 500, 502, 503, 504])
def test_one_classic_submit_is_one_request_whatever_comes_back(trouble, tmp_path, monkeypatch):
    monkeypatch.setattr(Classic, "deadline_s", {Capability.CLIP: 0.2})
    with playing([trouble if isinstance(trouble, str) else {"status": trouble, "body": {}}]) as recorder:
        speaking = adapter_at(Classic, recorder.url, tmp_path)
        with pytest.raises(RateLimited if trouble == 429 else Unknown):
            speaking.submit(_classic_request(tmp_path))
    assert len(recorder.asked) == 1


def test_what_never_left_is_not_sent_in_the_classic_design(tmp_path):
    with playing([]) as recorder:
        closed = recorder.url
    with pytest.raises(NotSent):
        adapter_at(Classic, closed, tmp_path).submit(_classic_request(tmp_path))


@pytest.mark.parametrize("name", ["submit", "poll_processing", "poll_succeed", "poll_failed", "find"])
def test_classic_nonsense_is_a_sentence_and_no_crash(name, tmp_path):
    example = next(example for example in CLASSIC if example.name == name)
    (answer,) = example.answers()
    fine = CallError | Accepted | Running | Finished | Failed | str | None
    with playing([]) as recorder:
        for body in [*mangled(answer["body"]), None, [], "text", 0]:
            recorder.script[:] = [{"body": body}]
            assert isinstance(play(example, Classic, recorder, tmp_path), fine), json.dumps(body)


def _classic_request(folder):
    return replace(request_of(None, Classic, folder, Capability.CLIP), offer="kling-3.0")


# -- what is sent ----------------------------------------------------------------------------------


def _sent(tmp_path, request, key="a-key", **more):
    said = {"code": 0, "data": {"id": "1", "task_id": "1"}}
    with playing([{"body": said}]) as recorder:
        place = type("At", (), {"url": recorder.url})
        adapter_for(place, "kling", tmp_path, key=key, **more).submit(request)
    return recorder.asked[0]


def test_the_new_design_names_the_model_in_the_path(tmp_path, clip, picture):
    asked = _sent(tmp_path, replace(clip, offer="kling-3.0", callback_url="https://films.example/hook"))
    assert asked.path.endswith("/image-to-video/kling-3.0")
    assert asked.headers["Authorization"] == "Bearer a-key"
    bare = base64.b64encode(picture.path.read_bytes()).decode()
    assert asked.json() == {
        "contents": [{"type": "prompt", "text": "slow dolly in"}, {"type": "first_frame", "url": bare}],
        "settings": {"resolution": "720p", "duration": 5, "audio": "off"},
        "options": {
            "external_task_id": TAG,
            "watermark_info": {"enabled": False},
            "callback_url": "https://films.example/hook",
        },
    }


def test_the_classic_design_names_it_in_the_body_and_writes_lengths_as_texts(tmp_path, clip, picture):
    asked = _sent(tmp_path, replace(clip, offer="kling-3.0", height=1080, width=1920, seconds=7.0), key=PAIR)
    assert asked.path.endswith("/v1/videos/image2video")
    assert asked.json() == {
        "model_name": "kling-v3",
        "image": base64.b64encode(picture.path.read_bytes()).decode(),
        "prompt": "slow dolly in",
        "mode": "pro",
        "duration": "7",
        "sound": "off",
        "external_task_id": TAG,
        "watermark_info": {"enabled": False},
    }


def test_an_api_key_speaks_the_classic_design_where_the_options_say_so(tmp_path, clip):
    asked = _sent(tmp_path, clip, options={"classic": True})
    assert asked.path.endswith("/v1/videos/image2video")
    assert asked.headers["Authorization"] == "Bearer a-key"


@pytest.mark.parametrize(
    ("offer", "width", "height", "seconds", "resolution", "length"),
    [
        ("kling-2.5-turbo", 1280, 720, 4.2, "720p", 5),
        ("kling-2.5-turbo", 1080, 1920, 5.01, "1080p", 10),
        ("kling-2.5-turbo", 3840, 2160, 30, "1080p", 10),
        ("kling-2.6", 1080, 1080, 5, "1080p", 5),
        ("kling-3.0", 3840, 2160, 3.5, "4k", 4),
        ("kling-3.0-turbo", 0, 0, 0, "720p", 3),
        ("kling-3.0-turbo", 1280, 720, 60, "720p", 15),
    ],
)
def test_the_nearest_that_is_sold_is_asked_for(tmp_path, clip, offer, width, height, seconds, resolution, length):
    request = replace(clip, offer=offer, width=width, height=height, seconds=seconds)
    settings = _sent(tmp_path, request).json()["settings"]
    assert (settings["resolution"], settings["duration"]) == (resolution, length)


@pytest.mark.parametrize(
    ("offer", "own", "seconds", "milliunits"),
    [
        ("kling-2.5-turbo", {}, 5, 1500),
        ("kling-2.6", {"settings": {"resolution": "1080p"}}, 5, 2500),
        ("kling-2.6", {"settings": {"resolution": "1080p", "audio": "native"}}, 5, 6000),
        ("kling-2.6", {"mode": "pro", "sound": "on"}, 5, 6000),
        ("kling-3.0", {}, 5, 3000),
        ("kling-3.0", {"settings": {"audio": "native", "duration": 12}}, 12, 10_800),
        ("kling-3.0", {"settings": {"resolution": "4k"}}, 5, 15_000),
        ("kling-3.0", {"settings": "strange", "duration": "long", "resolution": "8k"}, 5, 15_000),
        ("kling-3.0-turbo", {}, 5, 4000),
        ("kling-9", {}, 5, 5000),
    ],
)
def test_the_most_it_can_cost_follows_the_order(clip, offer, own, seconds, milliunits):
    request = replace(clip, offer=offer, extra={"vendor": own})
    assert Kling.most_units(request) == {"seconds": seconds, "milliunits": milliunits}


def test_an_offer_s_own_parameters_come_last_and_leave_our_tag(tmp_path, clip):
    own = {"settings": {"audio": "native"}, "options": {"watermark_info": {"enabled": True}}}
    body = _sent(tmp_path, replace(clip, offer="kling-3.0", extra={"vendor": own})).json()
    assert body["settings"] == {"resolution": "720p", "duration": 5, "audio": "native"}
    assert body["options"] == {"external_task_id": TAG, "watermark_info": {"enabled": True}}


def test_without_a_picture_nothing_is_sent(kling, vendors, clip):
    with pytest.raises(Rejected, match="picture"):
        kling.submit(replace(clip, inputs=()))
    assert vendors.books("kling")["bills"] == []


def test_the_newest_model_is_not_sold_for_a_pair_of_keys(classic, vendors, clip):
    with pytest.raises(Rejected, match="API keys"):
        classic.submit(replace(clip, offer="kling-3.0-turbo"))
    assert vendors.books("kling")["bills"] == []


# -- keys ------------------------------------------------------------------------------------------


def test_a_token_is_signed_as_others_sign_it():
    """Made with openssl: dgst -sha256 -hmac over the two parts in base64."""
    assert token("AKtest123", "SKsecret456", 1781080778.9) == (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
        ".eyJpc3MiOiJBS3Rlc3QxMjMiLCJleHAiOjE3ODEwODI1NzgsIm5iZiI6MTc4MTA4MDc3M30"
        ".WD3ZU6-mI2ygji_Ec_05Quu0rq59IEtJtgaq4AeK34I"
    )


def test_every_call_has_a_token_of_its_own(tmp_path, clip):
    asked = _sent(tmp_path, clip, key=PAIR)
    head, claims, signature = asked.headers["Authorization"].removeprefix("Bearer ").split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    now = datetime.now(UTC).timestamp()
    assert said["iss"] == "access"
    assert said["exp"] - said["nbf"] == 1805
    assert abs(said["nbf"] + 5 - now) < 60
    wanted = hmac.new(b"secret", f"{head}.{claims}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == wanted


@pytest.mark.parametrize("key", ["bad", "access:another", "somebody:secret"])
def test_a_wrong_key_is_the_account_s_trouble(vendors, tmp_path, clip, key):
    with pytest.raises(Unauthorised):
        adapter_for(vendors, "kling", tmp_path, key=key).submit(clip)


def test_a_token_does_not_open_the_new_design(vendors, new):
    new.key = token("access", "secret", datetime.now(UTC).timestamp())
    with pytest.raises(Unauthorised):
        new.poll("1")


@pytest.mark.parametrize("minutes", [-60, 60])
def test_a_clock_that_is_wrong_is_told_as_such(vendors, new, minutes):
    """Against the simulator, which looks at both times of a token."""
    new.key = token("access", "secret", datetime.now(UTC).timestamp() + 60 * minutes)
    with pytest.raises(Unauthorised, match="clock"):
        new.ask("GET", "/v1/videos/image2video/1")


# -- against the simulator -------------------------------------------------------------------------


@pytest.mark.slow
def test_a_picture_becomes_a_clip_and_costs_what_the_vendor_says(vendors, kling, clip):
    answer = made(kling, clip)
    assert isinstance(answer, Finished)
    assert answer.units == {"milliunits": 1500}
    assert answer.outputs[0].url.startswith(vendors.url)
    (bill,) = vendors.books("kling")["bills"]
    assert bill["amount_micro"] == 210_000 == answer.units["milliunits"] * 140
    assert bill["tag"] == TAG


@pytest.mark.slow
def test_what_was_reserved_is_what_is_billed(vendors, new, clip):
    for offer in Kling.offers:
        request = replace(clip, offer=offer.name, seconds=offer.lengths[-1], tag=offer.name)
        assert made(new, request).units["milliunits"] == Kling.most_units(request)["milliunits"]


def test_several_are_asked_about_in_one_call(vendors, new, clip):
    vendors.control("kling", latency_s=[600, 600])
    jobs = [new.submit(replace(clip, tag=tag)).external_id for tag in ("one", "two")]
    assert new.poll_many([*jobs, "999"]) == dict.fromkeys(jobs, Running())
    assert len(vendors.books("kling")["requests"]) == 3


def test_the_classic_design_tells_of_one_job_at_a_time(classic):
    assert classic.poll_many(["1", "2"]) == {}


def test_one_that_cannot_be_read_spoils_no_other(tmp_path):
    tasks = [{"id": "1", "status": ["?"]}, {"id": "2", "status": "processing"}, {"status": "failed"}]
    with playing([{"body": {"code": 0, "data": tasks}}]) as recorder:
        found = adapter_at(Kling, recorder.url, tmp_path).poll_many(["1", "2", "3"])
    assert found == {"2": Running()}


def test_what_is_too_many_is_refused_and_never_made(vendors, kling, clip):
    vendors.control("kling", concurrency=1, latency_s=[600, 600])
    kling.submit(clip)
    with pytest.raises(RateLimited, match="as many jobs"):
        kling.submit(replace(clip, tag="b" * 32))
    assert kling.find("b" * 32) is None
    assert len(vendors.books("kling")["bills"]) == 1


def test_a_429_of_the_account_never_passes(vendors, kling, clip):
    vendors.control("kling", account={"code": 1102, "access": "access", "secret": "secret"})
    with pytest.raises(OutOfCredit):
        kling.submit(clip)
    vendors.control("kling", account={"code": 1100, "access": "access", "secret": "secret"})
    with pytest.raises(Unauthorised):
        kling.submit(clip)


@pytest.mark.slow
def test_a_lost_answer_is_found_by_our_tag(vendors, kling, clip):
    assert Kling.recovery_of(Capability.CLIP) is Recovery.LISTABLE
    assert kling.find(TAG) is None
    vendors.control("kling", next=["504_after"])
    with pytest.raises(Unknown):
        kling.submit(clip)
    job = kling.find(TAG)
    assert isinstance(until_over(kling, job), Finished)
    assert [bill["id"] for bill in vendors.books("kling")["bills"]] == [job]


def test_a_second_submit_with_the_same_tag_is_looked_up_and_not_believed(vendors, kling, clip):
    job = kling.submit(clip).external_id
    with pytest.raises(Unknown, match="already"):
        kling.submit(clip)
    assert kling.find(TAG) == job


@pytest.mark.slow
def test_what_is_declined_ends_as_moderated(vendors, kling, clip):
    vendors.control("kling", next=["moderated"])
    answer = made(kling, clip)
    assert isinstance(answer, Failed)
    assert (answer.moderated, answer.billed) == (True, False)


@pytest.mark.slow
def test_a_failure_says_whether_it_is_billed(vendors, kling, clip):
    vendors.control("kling", next=["fail_job"], bill_failed=True)
    answer = made(kling, clip)
    assert (answer.moderated, answer.billed, answer.units) == (False, True, {"milliunits": 1500})


def test_a_retired_model_is_refused(vendors, kling, clip):
    with pytest.raises(Rejected, match="retired"):
        kling.submit(replace(clip, offer="kling-v2-1"))


def test_its_listing_shows_our_jobs_the_oldest_first(vendors, kling, clip):
    vendors.control("kling", latency_s=[1, 1], page_size=2)
    began = datetime.now(UTC) - timedelta(hours=1)
    tags = ["one", "two", "three"] if not kling.is_classic else ["one", "two"]
    ids = []
    for tag in tags:
        ids.append(kling.submit(replace(clip, tag=tag)).external_id)
        until_over(kling, ids[-1])
    found = kling.list_jobs(began, datetime.now(UTC) + timedelta(hours=1))
    assert [(job.external_id, job.tag) for job in found] == list(zip(ids, tags, strict=True))
    assert {(job.state, job.billed, job.units["milliunits"]) for job in found} == {(JobState.FINISHED, True, 1500)}
    assert kling.list_jobs(began - timedelta(days=2), began) == []


def test_nobody_knows_how_to_end_a_job(new):
    with pytest.raises(NotImplementedError):
        new.cancel("1")


# -- webhooks --------------------------------------------------------------------------------------


def test_the_webhook_of_the_vendor_s_page_is_believed():
    """https://kling.ai/document-api/api/get-started/callbacks, its own example (2026-08)."""
    body = (
        b'{"id":"1234567890","status":"succeeded","message":"","create_time":1781080778802,"update_time":1781080794151}'
    )
    headers = {
        "Webhook-Id": "9876543210",
        "Webhook-Timestamp": "1781080794",
        "Webhook-Signature": "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4=",
    }
    secrets = ["whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="]
    said = Kling.read_webhook(headers, body, secrets, 1781080800.0)
    assert (said.webhook_id, said.external_id) == ("9876543210", "1234567890")
    with pytest.raises(BadSignature):
        Kling.read_webhook(headers, body.replace(b"succeeded", b"failed"), secrets, 1781080800.0)
    with pytest.raises(BadSignature):
        Kling.read_webhook(headers, body, secrets, 1781080794.0 + 301)


@pytest.mark.parametrize("key", ["a-key", PAIR], ids=["new", "classic"])
def test_webhooks_of_every_change_are_signed_and_only_the_last_is_asked_after(vendors, tmp_path, clip, key):
    secret = vendors.control("kling", latency_s=[60, 60], queue_s=[30, 30])["hook_secret"]
    with receiver.receiver() as place:
        job = adapter_for(vendors, "kling", tmp_path, key=key).submit(replace(clip, callback_url=place.url)).external_id
        place.wait_for(2)
        now = datetime.now(UTC).timestamp()
        said = [Kling.read_webhook(headers, body, [secret], now) for headers, body in place.got]
    assert [(webhook.external_id, webhook.tag) for webhook in said] == [(None, ""), (job, clip.tag)]
    assert len({webhook.webhook_id for webhook in said}) == 2


def test_without_a_secret_nothing_is_signed(vendors, new, clip):
    vendors.control("kling", latency_s=[1, 1], hook_secret="", hook_events="over")
    with receiver.receiver() as place:
        new.submit(replace(clip, callback_url=place.url))
        place.wait_for(1)
        ((headers, body),) = place.got
    assert "webhook-signature" not in headers
    with pytest.raises(BadSignature):
        Kling.read_webhook(headers, body, ["whsec_eA=="], datetime.now(UTC).timestamp())
