"""Luma's Dream Machine, against the simulator and beside its own client."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from providers import catalogue, pricing
from providers.adapters import luma_dream_machine
from providers.adapters.luma_dream_machine import LumaDreamMachine
from providers.exceptions import BadSignature, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from providers.types import Capability, Failed, Finished, JobState, Request
from tests.providers import schemas
from tests.providers.recorded import a_picture, adapter_at, playing
from tests.providers.speaking import adapter_for, made, until_over
from tests.simulator.receiver import receiver

SLUG = "luma_dream_machine"
PATH = "/dream-machine/v1"
TAG = "a" * 32
PICTURE = "https://media.example/picture.png"


@pytest.fixture
def luma(vendors, tmp_path):
    return adapter_for(vendors, SLUG, tmp_path, path=PATH)


@pytest.fixture
def clip(tmp_path):
    return Request(
        capability=Capability.CLIP,
        offer="ray-2",
        prompt="slow dolly in",
        inputs=(a_picture(tmp_path),),
        width=1280,
        height=720,
        seconds=5.0,
        tag=TAG,
    )


def body_of(tmp_path, request):
    """What is sent."""
    with playing([{"status": 201, "body": {"id": "x"}}]) as recorder:
        adapter_at(LumaDreamMachine, recorder.url, tmp_path).submit(request)
    return recorder.asked[0].json()


@pytest.mark.parametrize(
    ("offer", "height", "seconds", "dollars"),
    [  # as the printed list has them, rounded there
        ("ray-2", 540, 5.0, "0.40"),
        ("ray-2", 720, 5.0, "0.71"),
        ("ray-2", 1080, 5.0, "1.59"),
        ("ray-2", 2160, 10.0, "11.47"),
        ("ray-flash-2", 540, 9.0, "0.25"),
        ("ray-flash-2", 720, 5.0, "0.24"),
    ],
)
def test_what_is_reserved_is_what_the_vendor_bills(vendors, luma, clip, offer, height, seconds, dollars):
    request = replace(clip, offer=offer, width=height * 16 // 9, height=height, seconds=seconds)
    luma.submit(request)
    (bill,) = vendors.books(SLUG)["bills"]
    price = catalogue.of(SLUG).offer("clip", offer).price
    assert pricing.cost(price, luma.most_units(request)) == bill["amount_micro"]
    assert f"{bill['amount_micro'] / 10**6:.2f}" == dollars


def test_a_picture_becomes_a_clip_and_costs_what_was_asked_for(vendors, luma, clip):
    answer = made(luma, clip)
    assert isinstance(answer, Finished)
    assert answer.outputs[0].url.startswith(vendors.url)
    assert answer.units == luma.most_units(clip) == {"seconds": 5, "pixels": 1280 * 720 * 24 * 5}


def test_what_is_sent(tmp_path, clip):
    called = "https://videos.example.org/webhooks/luma_dream_machine/t/m/"
    body = body_of(tmp_path, replace(clip, seconds=10.0, width=1080, height=1920, callback_url=called))
    assert body == {
        "generation_type": "video",
        "model": "ray-2",
        "prompt": "slow dolly in",
        "keyframes": {"frame0": {"type": "image", "url": PICTURE}},
        "aspect_ratio": "9:16",
        "duration": "9s",
        "resolution": "1080p",
        "callback_url": called,
    }


def test_without_an_address_to_call_the_picture_s_carries_our_tag(tmp_path, clip):
    body = body_of(tmp_path, clip)
    assert body["keyframes"]["frame0"]["url"] == f"{PICTURE}#{TAG}"
    assert "callback_url" not in body


def test_a_prompt_that_is_too_short_is_left_out(tmp_path, clip):
    assert "prompt" not in body_of(tmp_path, replace(clip, prompt="hm"))


@pytest.mark.parametrize("without", ["picture", "address"])
def test_a_picture_that_luma_cannot_fetch_is_not_sent(luma, vendors, clip, without):
    inputs = () if without == "picture" else (replace(clip.inputs[0], url=""),)
    with pytest.raises(Rejected, match=without):
        luma.submit(replace(clip, inputs=inputs))
    assert vendors.books(SLUG)["bills"] == []


def test_an_admin_is_told_why_it_is_off():
    assert "deprecated" in LumaDreamMachine.off_because


def test_what_is_declined_ends_as_moderated_and_is_given_back(vendors, luma, clip):
    vendors.control(SLUG, next=["moderated"])
    answer = made(luma, clip)
    assert isinstance(answer, Failed)
    assert (answer.moderated, answer.billed) == (True, False)


def test_a_picture_that_could_not_be_fetched_says_so(vendors, luma, clip):
    vendors.control(SLUG, next=["fail_job"], account={"failure": "Failed to read user input frames"})
    answer = made(luma, clip)
    assert (answer.moderated, answer.billed) == (False, False)
    assert "could not fetch the picture" in answer.reason


def test_too_many_are_refused(vendors, luma, clip):
    vendors.control(SLUG, concurrency=1, latency_s=[6000, 6000])
    luma.submit(clip)
    with pytest.raises(RateLimited) as refused:
        luma.submit(clip)
    assert refused.value.retry_after_s is None


def test_an_empty_account_is_out_of_credit(vendors, luma, clip):
    vendors.control(SLUG, account={"cents": 0})
    with pytest.raises(OutOfCredit):
        luma.submit(clip)


def test_a_wrong_key_is_the_account_s_trouble(vendors, tmp_path, clip):
    with pytest.raises(Unauthorised):
        adapter_for(vendors, SLUG, tmp_path, key="bad", path=PATH).submit(clip)


# -- lost answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_called", [True, False])
def test_a_lost_job_is_found_by_its_tag(vendors, luma, clip, is_called):
    vendors.control(SLUG, next=["lose_after_accept"])
    with receiver() as receiving:
        called = f"{receiving.url}{TAG}/mac/" if is_called else ""
        with pytest.raises(Unknown):
            luma.submit(replace(clip, callback_url=called))
        luma.submit(replace(clip, tag="b" * 32))
        (bill,) = vendors.bills(SLUG)[TAG]
        assert luma.find(TAG) == bill["id"]
    assert luma.find("c" * 32) is None


def test_where_no_job_says_what_it_was_asked_for_nothing_is_concluded(tmp_path):
    made_at = datetime.now(UTC).isoformat()
    listed = {"generations": [{"id": "x", "state": "dreaming", "created_at": made_at, "request": {"prompt": "a lake"}}]}
    with playing([{"body": listed}]) as recorder, pytest.raises(Unknown, match="told apart"):
        adapter_at(LumaDreamMachine, recorder.url, tmp_path).find(TAG)


def test_its_jobs_are_listed_page_by_page_the_oldest_first(vendors, luma, clip, monkeypatch):
    monkeypatch.setattr(luma_dream_machine, "PAGE", 2)
    vendors.control(SLUG, next=["fail_job"], latency_s=[1, 1])
    since = datetime.now(UTC) - timedelta(minutes=1)
    jobs = [luma.submit(replace(clip, tag=f"{number:032}")).external_id for number in range(5)]
    for job in jobs:
        until_over(luma, job)
    found = luma.list_jobs(since, datetime.now(UTC))
    assert [job.external_id for job in found] == jobs
    assert [job.tag for job in found] == [f"{number:032}" for number in range(5)]
    assert [(job.state, job.billed) for job in found[:2]] == [(JobState.FAILED, False), (JobState.FINISHED, True)]
    assert found[1].units == luma.most_units(clip)
    assert luma.list_jobs(since - timedelta(days=2), since) == []


def test_no_more_pages_are_asked_for_than_reach_back_far_enough(tmp_path):
    def page(*days):
        now = datetime.now(UTC)
        shown = [
            {"id": str(day), "state": "completed", "created_at": (now - timedelta(days=day)).isoformat()}
            for day in days
        ]
        return {"body": {"generations": shown, "has_more": True}}

    with playing([page(1, 2), page(3, 40), page(50, 60)]) as recorder:
        adapter = adapter_at(LumaDreamMachine, recorder.url, tmp_path)
        found = adapter.list_jobs(datetime.now(UTC) - timedelta(days=30), datetime.now(UTC))
    assert [job.external_id for job in found] == ["3", "2", "1"]
    assert [asked.path for asked in recorder.asked] == [f"/generations?limit=100&offset={seen}" for seen in (0, 2)]


# -- callbacks -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_calls_back_when_it_starts_and_when_it_is_over(vendors, luma, clip):
    vendors.control(SLUG, latency_s=[600, 600])
    with receiver() as receiving:
        job = luma.submit(replace(clip, callback_url=f"{receiving.url}{TAG}/mac/")).external_id
        said = receiving.wait_for(2)
    assert [(body["id"], body["state"]) for body in said] == [(job, "dreaming"), (job, "completed")]


def test_what_it_says_there_is_not_signed():
    assert LumaDreamMachine.webhook_secret_env == ""
    with pytest.raises(BadSignature):
        LumaDreamMachine.read_webhook({}, b"{}", [], 0.0)


# -- its own client --------------------------------------------------------------------------------


@pytest.fixture
def client(vendors):
    import lumaai

    with lumaai.LumaAI(auth_token="a-key", base_url=f"{vendors.url}/{SLUG}{PATH}", max_retries=0) as client:
        yield client


ORDER = {"model": "ray-flash-2", "prompt": "a lake", "keyframes": {"frame0": {"type": "image", "url": PICTURE}}}


def test_its_own_client_submits_polls_and_lists(vendors, luma, client):
    import lumaai

    job = client.generations.create(**ORDER, callback_url="http://127.0.0.1:9/x/")
    assert job.state in ("queued", "dreaming")
    until_over(luma, job.id)
    done = client.generations.get(job.id)
    assert done.state == "completed"
    assert done.assets.video.startswith(vendors.url)
    assert done.request.callback_url == "http://127.0.0.1:9/x/"
    listed = client.generations.list(limit=1, offset=0)
    assert [one.id for one in listed.generations] == [job.id]
    assert listed.has_more is False
    client.generations.delete(job.id)
    with pytest.raises(lumaai.NotFoundError):
        client.generations.get(job.id)


def test_its_own_client_reads_the_account(client):
    assert client.ping.check().message == "pong"
    assert client.credits.get().credit_balance == 500_000.0


def test_its_own_client_raises_its_own_errors(vendors, client):
    import lumaai

    vendors.control(SLUG, next=["429", "500_before"])
    with pytest.raises(lumaai.RateLimitError):
        client.generations.video.create(**ORDER)
    with pytest.raises(lumaai.InternalServerError):
        client.generations.video.create(**ORDER)
    with pytest.raises(lumaai.BadRequestError, match="too short"):
        client.generations.video.create(**{**ORDER, "prompt": "hm"})
    with (
        lumaai.LumaAI(auth_token="bad", base_url=f"{vendors.url}/{SLUG}{PATH}", max_retries=0) as stranger,
        pytest.raises(lumaai.AuthenticationError),
    ):
        stranger.credits.get()


@pytest.mark.slow
def test_its_answers_are_as_the_vendor_documents_them(vendors, luma, clip):
    """The document has no null in it; its own examples do."""

    def trouble(path, said, method="GET", status=200):
        known = {name: value for name, value in said.items() if value is not None}
        return schemas.answer_trouble(SLUG, method, path, status, known)

    vendors.control(SLUG, next=["fail_job"])
    for state in ("failed", "completed"):
        job = luma.submit(clip).external_id
        until_over(luma, job)
        told = luma.call("GET", f"/generations/{job}")
        assert told["state"] == state
        assert trouble(f"/generations/{job}", told) == []
    for path in ("/credits", "/ping"):
        assert trouble(path, luma.call("GET", path)) == []
    listed = luma.call("GET", "/generations")
    listed["generations"] = [
        {name: one[name] for name in one if one[name] is not None} for one in listed["generations"]
    ]
    assert trouble("/generations", listed) == []
    taken = luma.call("POST", "/generations/video", json=told["request"])
    assert trouble("/generations/video", taken, "POST", 201) == []
