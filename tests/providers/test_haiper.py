"""Haiper, against the simulator. The schema is a third party's reconstruction: only answers are held against it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers import catalogue
from providers.adapters.haiper import Haiper
from providers.exceptions import RateLimited, Rejected, Unauthorised, Unknown
from providers.types import Capability, Failed, Finished, Recovery, Request, Running
from tests.providers import schemas
from tests.providers.recorded import a_picture, playing
from tests.providers.speaking import adapter_for, made, until_over


@pytest.fixture
def haiper(vendors, tmp_path):
    return adapter_for(vendors, "haiper", tmp_path)


@pytest.fixture
def clip(tmp_path):
    return Request(
        capability=Capability.CLIP,
        offer="gen2",
        prompt="slow dolly in",
        inputs=(a_picture(tmp_path),),
        width=1280,
        height=720,
        seconds=4.0,
        seed=7,
    )


def test_it_is_off_until_somebody_has_checked_that_it_answers():
    assert "whether the service still answers" in Haiper.off_because
    assert catalogue.of("haiper").offer("clip", "gen2").price.micro == 50_000


def test_a_picture_becomes_a_clip_without_a_watermark(vendors, haiper, clip):
    answer = made(haiper, clip)
    assert isinstance(answer, Finished)
    (output,) = answer.outputs
    assert output.url.startswith(vendors.url)
    assert "~1" not in output.url  # as the marked one is named
    (bill,) = vendors.books("haiper")["bills"]
    assert bill["amount_micro"] == 200_000 == Haiper.most_units(clip)["seconds"] * 50_000


def test_the_clean_one_is_asked_for_only_when_it_is_done(vendors, haiper, clip):
    vendors.control("haiper", latency_s=[600, 600])
    job = haiper.submit(clip).external_id
    running = haiper.poll(job)
    assert isinstance(running, Running)
    assert running.unknown_status == ""
    assert [request["path"] for request in vendors.books("haiper")["requests"]][1:] == [f"v1/jobs/{job}/status"]


def test_nothing_is_published_and_no_prompt_is_rewritten(tmp_path, clip):
    with playing([{"body": {"status": "success", "value": {"generation_id": "1"}}}]) as recorder:
        place = type("At", (), {"url": recorder.url})
        adapter_for(place, "haiper", tmp_path).submit(clip)
    body = recorder.asked[0].json()
    assert (body["is_public"], body["is_enable_prompt_enhancer"]) == (False, False)
    assert body["config"]["source_image"].startswith("data:image/png;base64,")
    assert body["settings"] == {"duration": 4, "resolution": 720, "seed": 7}


@pytest.mark.parametrize(
    ("seconds", "own", "length"),
    [(2.0, {}, 4), (4.0, {}, 4), (4.2, {}, 6), (9.0, {}, 6), (4.0, {"duration": 2}, 2), (4.0, {"duration": "2"}, 4)],
)
def test_four_or_six_seconds_are_asked_for_and_reserved(clip, seconds, own, length):
    request = replace(clip, seconds=seconds, extra={"vendor": {"settings": own}})
    assert Haiper.most_units(request) == {"seconds": length}


def test_an_offer_s_own_settings_are_put_among_ours(tmp_path, clip):
    own = {"settings": {"resolution": 540}, "config": {"camera_movement": "zoom_in"}, "gen_mode": "smooth"}
    with playing([{"body": {"status": "success", "value": {"generation_id": "1"}}}]) as recorder:
        place = type("At", (), {"url": recorder.url})
        adapter_for(place, "haiper", tmp_path).submit(replace(clip, extra={"vendor": own}))
    body = recorder.asked[0].json()
    assert body["settings"] == {"duration": 4, "resolution": 540, "seed": 7}
    assert (body["gen_mode"], body["config"]["camera_movement"]) == ("smooth", "zoom_in")
    assert body["config"]["source_image"]


def test_without_a_picture_nothing_is_sent(haiper, vendors, clip):
    with pytest.raises(Rejected, match="picture"):
        haiper.submit(replace(clip, inputs=()))
    assert vendors.books("haiper")["bills"] == []


def test_what_is_declined_is_moderated_at_once_or_later(vendors, haiper, clip):
    vendors.control("haiper", next=["moderated"])
    answer = made(haiper, clip)
    assert isinstance(answer, Failed)
    assert (answer.moderated, answer.billed) == (True, False)
    vendors.control("haiper", account={"code": "VB-100017"})
    with pytest.raises(Rejected) as caught:
        haiper.submit(clip)
    assert caught.value.moderated


def test_a_failure_is_no_moderation(vendors, haiper, clip):
    vendors.control("haiper", next=["fail_job"])
    answer = made(haiper, clip)
    assert isinstance(answer, Failed)
    assert not answer.moderated


def test_too_many_at_once_are_refused(vendors, haiper, clip):
    vendors.control("haiper", concurrency=1, latency_s=[600, 600])
    haiper.submit(clip)
    with pytest.raises(RateLimited, match="as many jobs"):
        haiper.submit(clip)


def test_a_lost_answer_stays_lost(vendors, haiper, clip):
    assert Haiper.recovery_of(Capability.CLIP) is Recovery.BLIND
    vendors.control("haiper", next=["500_after"])
    with pytest.raises(Unknown):
        haiper.submit(clip)
    assert len(vendors.books("haiper")["bills"]) == 1


def test_only_what_waits_can_be_cancelled(vendors, haiper, clip):
    vendors.control("haiper", queue_s=[600, 600])
    job = haiper.submit(clip).external_id
    haiper.cancel(job)
    assert isinstance(haiper.poll(job), Failed)
    vendors.control("haiper", queue_s=[0, 0], latency_s=[600, 600])
    with pytest.raises(Rejected):
        haiper.cancel(haiper.submit(clip).external_id)


def test_a_wrong_key_is_the_account_s_trouble(vendors, tmp_path, clip):
    with pytest.raises(Unauthorised):
        adapter_for(vendors, "haiper", tmp_path, key="bad").submit(clip)


def test_its_answers_are_as_the_reconstruction_has_them(vendors, haiper, clip):
    job = haiper.submit(clip).external_id
    while isinstance(haiper.poll(job), Running):
        told = haiper.call("GET", f"/v1/jobs/{job}/status")
        assert schemas.answer_trouble("haiper", "GET", f"/v1/jobs/{job}/status", 200, told) == []
    until_over(haiper, job)
    for method, path in [
        ("GET", f"/v1/jobs/{job}/status"),
        ("GET", f"/v1/creation/{job}"),
        ("POST", f"/v1/creation/{job}/watermark-free-url"),
    ]:
        told = haiper.call(method, path)
        assert schemas.answer_trouble("haiper", method, path, 200, told) == []
