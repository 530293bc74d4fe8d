"""Runway, against the simulator and beside its own client."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from providers.exceptions import Rejected, Unauthorised
from providers.pictures import data_uri
from providers.types import Capability, Failed, Finished, InputFile, Request, Running
from tests.providers import schemas
from tests.providers.recorded import a_picture, playing
from tests.providers.speaking import adapter_for, made, until_over


@pytest.fixture
def runway(vendors, tmp_path):
    return adapter_for(vendors, "runway", tmp_path)


@pytest.fixture
def clip(tmp_path):
    return Request(
        capability=Capability.CLIP,
        offer="gen4_turbo",
        prompt="slow dolly in",
        inputs=(a_picture(tmp_path),),
        width=1920,
        height=1080,
        seconds=5.0,
        seed=7,
    )


def test_a_picture_becomes_a_clip_and_costs_what_the_vendor_says(vendors, runway, clip):
    answer = made(runway, clip)
    assert isinstance(answer, Finished)
    assert answer.units == {"credits": 25}
    assert answer.outputs[0].url.startswith(vendors.url)
    (bill,) = vendors.books("runway")["bills"]
    assert bill["amount_micro"] == 250_000


def test_what_is_too_many_waits_there_and_is_not_refused(vendors, runway, clip):
    vendors.control("runway", latency_s=[600, 600])
    runway.submit(clip)
    second = runway.submit(clip)
    assert runway.poll(second.external_id) == Running(progress=0.0)


def test_what_is_declined_ends_as_moderated(vendors, runway, clip):
    vendors.control("runway", next=["moderated"])
    answer = made(runway, clip)
    assert isinstance(answer, Failed)
    assert answer.moderated
    assert not answer.billed


def test_a_failure_says_whether_it_is_billed(vendors, runway, clip):
    vendors.control("runway", next=["fail_job"], bill_failed=True)
    answer = made(runway, clip)
    assert (answer.billed, answer.units) == (True, {"credits": 25})
    assert "INTERNAL.BAD_OUTPUT.01" in answer.reason


def test_a_cancelled_job_is_gone(runway, vendors, clip):
    vendors.control("runway", latency_s=[600, 600])
    job = runway.submit(clip).external_id
    runway.cancel(job)
    with pytest.raises(Rejected):
        runway.poll(job)


def test_what_is_cancelled_when_it_is_over_is_deleted_and_billed_all_the_same(runway, vendors, clip):
    job = runway.submit(clip).external_id
    until_over(runway, job)
    runway.cancel(job)
    with pytest.raises(Rejected) as caught:
        runway.poll(job)
    assert caught.value.http_status == 404
    (bill,) = vendors.books("runway")["bills"]
    assert bill["amount_micro"] == 250_000


def test_a_wrong_key_is_the_account_s_trouble(vendors, tmp_path, clip):
    with pytest.raises(Unauthorised):
        adapter_for(vendors, "runway", tmp_path, key="bad").submit(clip)


def test_without_a_picture_nothing_is_sent(runway, vendors, clip):
    with pytest.raises(Rejected, match="picture"):
        runway.submit(Request(capability=Capability.CLIP, offer="gen4_turbo", prompt="x"))
    assert vendors.books("runway")["bills"] == []


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [(1920, 1080, "1280:720"), (1080, 1920, "720:1280"), (1080, 1080, "960:960"), (1440, 1080, "1104:832")],
)
def test_the_nearest_ratio_is_asked_for(tmp_path, clip, width, height, ratio):
    with playing([{"body": {"id": "x"}}]) as recorder:
        adapter = adapter_for(type("At", (), {"url": recorder.url}), "runway", tmp_path)
        adapter.submit(replace(clip, width=width, height=height, seconds=4.2))
    body = recorder.asked[0].json()
    assert (body["ratio"], body["duration"]) == (ratio, 5)


def test_a_large_picture_goes_as_a_jpeg(tmp_path):
    path = tmp_path / "noise.png"
    Image.effect_noise((900, 900), 20).save(path)
    file = InputFile(path=path, sha256="0" * 64, media_type="image/png", role="image")
    uri = data_uri(file, 400_000)
    assert uri.startswith("data:image/jpeg;base64,")
    assert len(uri) <= 400_000


# -- the vendor's own client -----------------------------------------------------------------------


@pytest.fixture
def client(vendors):
    import runwayml

    with runwayml.RunwayML(api_key="a-key", base_url=f"{vendors.url}/runway", max_retries=0) as client:
        yield client


def test_its_own_client_submits_polls_and_reads(vendors, client):
    task = client.image_to_video.create(
        model="gen4_turbo", prompt_image="https://example.com/a.png", ratio="1280:720", duration=5, prompt_text="a lake"
    )
    assert task.estimated_cost.credits == 25
    vendors.control("runway", latency_s=[1, 1])
    ended = client.image_to_video.create(
        model="gen4_turbo", prompt_image="https://example.com/a.png", ratio="1280:720", duration=5, prompt_text="a lake"
    )
    client.tasks.delete(task.id)
    told = client.tasks.retrieve(ended.id)
    assert told.status in ("PENDING", "THROTTLED", "RUNNING", "SUCCEEDED")


def test_its_own_client_raises_its_own_errors(vendors):
    import runwayml

    with (
        runwayml.RunwayML(api_key="bad", base_url=f"{vendors.url}/runway", max_retries=0) as client,
        pytest.raises(runwayml.AuthenticationError),
    ):
        client.organization.retrieve()
    with runwayml.RunwayML(api_key="a-key", base_url=f"{vendors.url}/runway", max_retries=0) as client:
        with pytest.raises(runwayml.NotFoundError):
            client.tasks.retrieve("5b0e6c1e-3b1f-4d0a-9f55-0c7a3a1f2e10")
        assert client.organization.retrieve().tier.models["gen4_turbo"].max_concurrent_generations == 1


def test_its_answers_are_as_the_vendor_documents_them(vendors, runway, clip):
    vendors.control("runway", next=["fail_job"])
    for status in ("FAILED", "SUCCEEDED"):
        job = runway.submit(clip).external_id
        until_over(runway, job)
        told = runway.call("GET", f"/v1/tasks/{job}")
        assert told["status"] == status
        assert schemas.answer_trouble("runway", "GET", f"/v1/tasks/{job}", 200, told) == []
    told = runway.call("GET", "/v1/organization")
    assert schemas.answer_trouble("runway", "GET", "/v1/organization", 200, told) == []
