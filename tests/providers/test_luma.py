"""Luma's Agents interface, against the simulator."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from providers import catalogue, pricing
from providers.adapters.luma import Luma
from providers.exceptions import OutOfCredit, RateLimited, Rejected, Unauthorised
from providers.types import Capability, Failed, Finished, Recovery, Request
from tests.providers.recorded import a_picture, adapter_at, playing
from tests.providers.speaking import adapter_for, made, until_over


@pytest.fixture
def luma(vendors, tmp_path):
    return adapter_for(vendors, "luma", tmp_path, path="/v1")


@pytest.fixture
def clip(tmp_path):
    return Request(
        capability=Capability.CLIP,
        offer="ray-3.2",
        prompt="slow dolly in",
        inputs=(a_picture(tmp_path),),
        width=1280,
        height=720,
        seconds=5.0,
        tag="a" * 32,
    )


def asked_with(tmp_path, request):
    """What is sent."""
    with playing([{"status": 201, "body": {"id": "x"}}]) as recorder:
        adapter_at(Luma, recorder.url, tmp_path).submit(request)
    return recorder.asked[0]


@pytest.mark.slow
def test_a_picture_becomes_a_clip(vendors, luma, clip):
    answer = made(luma, clip)
    assert isinstance(answer, Finished)
    assert answer.outputs[0].url.startswith(vendors.url)


@pytest.mark.parametrize(
    ("height", "seconds", "cents"),
    [(540, 5.0, 15), (720, 5.0, 30), (1080, 5.0, 120), (540, 10.0, 45), (720, 7.0, 90), (1080, 10.0, 360)],
)
def test_what_is_reserved_is_what_the_vendor_bills(vendors, luma, clip, height, seconds, cents):
    request = replace(clip, width=height * 16 // 9, height=height, seconds=seconds)
    luma.submit(request)
    (bill,) = vendors.books("luma")["bills"]
    price = catalogue.of("luma").offer("clip", "ray-3.2").price
    assert luma.most_units(request)["cents"] == cents
    assert pricing.cost(price, luma.most_units(request)) == bill["amount_micro"]


def test_five_seconds_start_from_the_picture(tmp_path, clip):
    asked = asked_with(tmp_path, clip)
    body = asked.json()
    frame = body["video"].pop("start_frame")
    assert frame["media_type"] == "image/png"
    assert base64.b64decode(frame["data"]) == clip.inputs[0].path.read_bytes()
    assert body == {
        "model": "ray-3.2",
        "type": "video",
        "prompt": "slow dolly in",
        "aspect_ratio": "16:9",
        "video": {"resolution": "720p", "duration": "5s"},
    }
    assert asked.headers["X-Request-Id"] == clip.tag


def test_ten_seconds_have_it_as_their_first_keyframe(vendors, luma, tmp_path, clip):
    video = asked_with(tmp_path, replace(clip, seconds=10.0)).json()["video"]
    assert "start_frame" not in video
    assert video["keyframe_indexes"] == [0]
    assert video["keyframes"][0]["media_type"] == "image/png"
    assert isinstance(made(luma, replace(clip, seconds=10.0)), Finished)


def test_an_offer_s_own_parameters_join_those_of_the_video(luma, tmp_path, clip):
    request = replace(clip, extra={"vendor": {"user_id": "me", "video": {"resolution": "1080p", "duration": "10s"}}})
    body = asked_with(tmp_path, request).json()
    assert body["user_id"] == "me"
    assert body["video"]["resolution"] == "1080p"
    assert "keyframes" in body["video"]
    assert luma.most_units(request) == {"seconds": 10, "cents": 360}


@pytest.mark.parametrize(
    ("width", "height", "ratio", "resolution"),
    [
        (1920, 1080, "16:9", "1080p"),
        (1080, 1920, "9:16", "1080p"),
        (640, 360, "16:9", "540p"),
        (720, 720, "1:1", "720p"),
        (960, 720, "4:3", "720p"),
        (720, 960, "3:4", "720p"),
        (3840, 1646, "21:9", "1080p"),
    ],
)
def test_the_nearest_size_is_asked_for(tmp_path, clip, width, height, ratio, resolution):
    body = asked_with(tmp_path, replace(clip, width=width, height=height)).json()
    assert (body["aspect_ratio"], body["video"]["resolution"]) == (ratio, resolution)


def test_a_link_is_fresh_at_every_look(vendors, luma, clip):
    job = luma.submit(clip).external_id
    first = until_over(luma, job).outputs[0].url
    assert luma.poll(job).outputs[0].url != first


@pytest.mark.slow
def test_what_is_declined_ends_as_moderated(vendors, luma, clip):
    vendors.control("luma", next=["moderated", "fail_job"])
    assert made(luma, clip) == Failed(
        reason="Luma declined the prompt or the picture (content_moderated).", moderated=True
    )
    assert made(luma, clip) == Failed(reason="Luma failed inside (generation_failed).")


def test_too_many_at_once_are_refused_with_a_time_and_without_limits(vendors, luma, clip):
    vendors.control("luma", concurrency=1, latency_s=[6000, 6000])
    luma.submit(clip)
    with pytest.raises(RateLimited, match="as many jobs") as refused:
        luma.submit(clip)
    assert refused.value.retry_after_s == 1.0  # a minute there
    assert luma.limits == ()


def test_too_many_a_minute_are_refused_with_a_time_and_their_limits(vendors, luma, clip):
    vendors.control("luma", limits=[{"requests": 1, "per_s": 6000}])
    luma.submit(clip)
    with pytest.raises(RateLimited, match="slow down") as refused:
        luma.submit(clip)
    assert 1 <= refused.value.retry_after_s <= 10
    assert [(limit.unit, limit.limit, limit.remaining) for limit in luma.limits] == [("requests", 1, 0)]


def test_an_account_without_credits_is_out_of_credit(vendors, luma, clip):
    vendors.control("luma", account={"credits": False})
    with pytest.raises(OutOfCredit):
        luma.submit(clip)


def test_a_wrong_key_is_the_account_s_trouble(vendors, tmp_path, clip):
    with pytest.raises(Unauthorised):
        adapter_for(vendors, "luma", tmp_path, key="bad", path="/v1").submit(clip)


def test_a_stranger_s_job_is_not_found(luma):
    with pytest.raises(Rejected):
        luma.poll("3f2b8c1d-9a41-4e0b-8d57-2c6f0a9b7e13")


def test_without_a_picture_nothing_is_sent(luma, vendors, clip):
    with pytest.raises(Rejected, match="picture"):
        luma.submit(replace(clip, inputs=()))
    assert vendors.books("luma")["bills"] == []


def test_nobody_can_find_a_lost_job(luma):
    assert luma.recovery_of(Capability.CLIP) is Recovery.BLIND
    assert not luma.has_listing()
