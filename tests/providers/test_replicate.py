"""Replicate, against the simulator and beside its own client."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pydantic.v1
import pytest
import requests
from PIL import Image

from providers.adapters.replicate import Replicate
from providers.exceptions import BadSignature, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from providers.types import Accepted, Capability, Failed, Finished, JobState, Request, Running
from tests.providers import schemas
from tests.providers.recorded import adapter_at, playing
from tests.providers.speaking import adapter_for, made, until_over
from tests.simulator.receiver import receiver

HOUR = timedelta(hours=1)


@pytest.fixture
def flux(vendors, tmp_path):
    return adapter_for(vendors, "replicate", tmp_path, path="/v1")


@pytest.fixture
def picture():
    return Request(
        capability=Capability.IMAGE,
        offer="flux-schnell",
        prompt="harbour at dawn",
        width=1920,
        height=1080,
        seed=77,
        tag="a" * 32,
    )


def now():
    return datetime.now(UTC)


def picture_at(url):
    return Image.open(io.BytesIO(requests.get(url, timeout=5).content))


def sent(tmp_path, request):
    """What leaves for Replicate."""
    with playing([{"status": 201, "body": {"id": "x"}}]) as recorder:
        adapter_at(Replicate, recorder.url, tmp_path).submit(request)
    return recorder.asked[0]


# -- pictures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer", "takes", "price_micro"),
    [("flux-schnell", 4, 12_000), ("flux-dev", 2, 50_000), ("flux-1.1-pro", 1, 40_000), ("flux-pro", 1, 55_000)],
)
def test_every_candidate_is_a_picture_of_its_own(vendors, flux, picture, offer, takes, price_micro):
    asked = replace(picture, offer=offer, takes=takes)
    answer = made(flux, asked)
    assert isinstance(answer, Finished)
    assert answer.units == flux.most_units(asked) == {"images": takes}
    pictures = [picture_at(output.url) for output in answer.outputs]
    assert [(one.format, one.size) for one in pictures] == [("PNG", (1344, 768))] * takes
    assert len({one.text["Comment"] for one in pictures}) == takes
    (bill,) = vendors.books("replicate")["bills"]
    assert bill["amount_micro"] == price_micro


def test_pictures_that_were_held_back_are_missing_and_not_billed(vendors, flux, picture):
    vendors.control("replicate", account={"drops": 1})
    answer = made(flux, replace(picture, takes=3))
    assert (len(answer.outputs), answer.units) == (2, {"images": 2})
    assert vendors.books("replicate")["bills"][0]["amount_micro"] == 6_000


def test_a_success_without_any_picture_is_moderated(vendors, flux, picture):
    vendors.control("replicate", account={"drops": 4})
    answer = made(flux, replace(picture, takes=2))
    assert (answer.moderated, answer.billed) == (True, False)


def test_what_is_declined_ends_as_moderated(vendors, flux, picture):
    vendors.control("replicate", next=["moderated"])
    answer = made(flux, picture)
    assert (answer.moderated, answer.billed) == (True, False)
    assert vendors.books("replicate")["bills"][0]["amount_micro"] == 0


def test_a_failure_says_which_one(vendors, flux, picture):
    vendors.control("replicate", next=["fail_job"], account={"error": "E1001: out of memory"})
    answer = made(flux, picture)
    assert not answer.moderated
    assert "memory" in answer.reason
    assert "E1001" in answer.reason


def test_what_was_deleted_after_an_hour_is_billed_and_lost(vendors, flux, picture):
    vendors.control("replicate", latency_s=[1, 1], account={"kept_s": 0.0})
    answer = made(flux, picture)
    assert isinstance(answer, Failed)
    assert (answer.billed, answer.moderated) == (True, False)


@pytest.mark.slow
def test_one_that_could_not_begin_in_time_is_aborted(vendors, flux, picture):
    vendors.control("replicate", queue_s=[900, 900])
    answer = made(flux, picture)
    assert "begin" in answer.reason
    assert not answer.billed


@pytest.mark.slow
def test_one_that_takes_too_long_is_ended(vendors, flux, picture):
    vendors.control("replicate", next=["stuck"])
    assert "ten minutes" in made(flux, picture).reason


def test_a_cancelled_job_ends(vendors, flux, picture):
    vendors.control("replicate", latency_s=[500, 500])
    job = flux.submit(picture).external_id
    assert flux.poll(job) == Running()
    flux.cancel(job)
    assert isinstance(flux.poll(job), Failed)


# -- requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer", "width", "height", "ratio"),
    [
        ("flux-schnell", 1920, 1080, "16:9"),
        ("flux-schnell", 1080, 1920, "9:16"),
        ("flux-schnell", 1080, 1080, "1:1"),
        ("flux-dev", 2560, 1080, "21:9"),
        ("flux-1.1-pro", 2560, 1080, "16:9"),
    ],
)
def test_the_nearest_ratio_is_asked_for(tmp_path, picture, offer, width, height, ratio):
    asked = sent(tmp_path, replace(picture, offer=offer, width=width, height=height))
    assert asked.json()["input"]["aspect_ratio"] == ratio


def test_candidates_seed_and_format_are_asked_for(tmp_path, picture):
    asked = sent(tmp_path, replace(picture, takes=3))
    assert asked.path.endswith("/models/black-forest-labs/flux-schnell/predictions")
    assert asked.json() == {
        "input": {
            "prompt": "harbour at dawn",
            "aspect_ratio": "16:9",
            "output_format": "png",
            "seed": 77,
            "num_outputs": 3,
        }
    }


def test_what_nobody_waits_for_any_more_is_ended_there(tmp_path, picture):
    headers = sent(tmp_path, picture).headers
    assert headers["Cancel-After"] == "10m"
    assert "Prefer" not in headers


def test_parameters_of_an_admin_win(tmp_path, picture):
    asked = replace(picture, extra={"vendor": {"megapixels": "0.25", "num_outputs": 2}})
    assert sent(tmp_path, asked).json()["input"]["megapixels"] == "0.25"
    assert Replicate.most_units(asked) == {"images": 2}


def test_a_webhook_is_asked_for_at_the_end_only(tmp_path, picture):
    body = sent(tmp_path, replace(picture, callback_url="https://videos.example.org/webhooks/replicate/")).json()
    assert body["webhook"] == "https://videos.example.org/webhooks/replicate/"
    assert body["webhook_events_filter"] == ["completed"]


def test_a_model_of_another_maker_names_it(tmp_path, picture):
    asked = sent(tmp_path, replace(picture, offer="stability-ai/sdxl"))
    assert asked.path.endswith("/models/stability-ai/sdxl/predictions")


# -- refusals --------------------------------------------------------------------------------------


def test_a_wrong_key_is_the_account_s_trouble(vendors, tmp_path, picture):
    with pytest.raises(Unauthorised):
        adapter_for(vendors, "replicate", tmp_path, path="/v1", key="bad").submit(picture)


def test_without_credit_the_account_is_out_of_credit(vendors, flux, picture):
    vendors.control("replicate", account={"credit_usd": 0})
    with pytest.raises(OutOfCredit):
        flux.submit(picture)


def test_with_little_credit_the_lane_is_slow_and_says_why(vendors, flux, picture):
    vendors.control("replicate", account={"credit_usd": 3.5, "low_gap_s": 600})
    assert isinstance(flux.submit(picture), Accepted)
    with pytest.raises(RateLimited, match="credit") as caught:
        flux.submit(picture)
    assert caught.value.retry_after_s == 1.0


def test_too_many_are_refused_and_say_for_how_long(vendors, flux, picture):
    vendors.control("replicate", limits=[{"requests": 1, "per_s": 1200}])
    flux.submit(picture)
    with pytest.raises(RateLimited) as caught:
        flux.submit(picture)
    assert caught.value.retry_after_s == 2.0


def test_what_the_model_does_not_know_is_refused(flux, picture):
    with pytest.raises(Rejected):
        flux.submit(replace(picture, extra={"vendor": {"colour": "blue"}}))


# -- lost answers ----------------------------------------------------------------------------------


def test_a_lost_answer_is_found_by_what_was_asked(vendors, flux, picture):
    vendors.control("replicate", next=["lose_after_accept"])
    with pytest.raises(Unknown):
        flux.submit(picture)
    flux.submit(replace(picture, seed=78))
    jobs = flux.list_jobs(now() - HOUR, now() + HOUR)
    assert [job.fingerprint == Replicate.fingerprint_of(picture) for job in jobs] == [True, False]
    assert isinstance(until_over(flux, jobs[0].external_id), Finished)


def test_an_admin_s_seed_is_looked_for_as_it_was_sent(flux, picture):
    asked = replace(picture, extra={"vendor": {"seed": 4}})
    flux.submit(asked)
    (job,) = flux.list_jobs(now() - HOUR, now() + HOUR)
    assert job.fingerprint == Replicate.fingerprint_of(asked)


@pytest.mark.slow
def test_the_list_is_read_page_by_page_the_oldest_first(vendors, flux, picture):
    vendors.control("replicate", media="tiny")
    ids = [flux.submit(replace(picture, seed=number + 1)).external_id for number in range(205)]
    jobs = flux.list_jobs(now() - HOUR, now() + HOUR)
    assert [job.external_id for job in jobs] == ids


def test_the_list_says_how_jobs_ended(vendors, flux, picture):
    vendors.control("replicate", next=["fail_job"])
    made(flux, picture)
    made(flux, replace(picture, takes=2))
    vendors.control("replicate", latency_s=[500, 500])
    flux.submit(picture)
    failed, done, running = flux.list_jobs(now() - HOUR, now() + HOUR)
    assert (failed.state, failed.billed) == (JobState.FAILED, False)
    assert (done.state, done.billed, done.units) == (JobState.FINISHED, True, {"images": 2})
    assert (running.state, running.capability) == (JobState.RUNNING, Capability.IMAGE)


def test_the_list_is_of_the_stretch_that_was_asked_for(flux, picture):
    flux.submit(picture)
    assert flux.list_jobs(now() - 2 * HOUR, now() - HOUR) == []


FOREIGN = {
    "id": "b" * 26,
    "model": "somebody/else",
    "version": "1",
    "status": "succeeded",
    "input": {"prompt": ["a", "list"]},
    "output": {"what": "ever"},
    "error": None,
    "data_removed": False,
    "created_at": "2026-11-21T09:00:00.123456Z",
}


def listed(tmp_path, since, until, *results):
    with playing([{"body": {"previous": None, "next": None, "results": list(results)}}]) as recorder:
        return adapter_at(Replicate, recorder.url, tmp_path).list_jobs(since, until)


def test_jobs_of_other_models_do_no_harm(tmp_path):
    (job,) = listed(tmp_path, now() - HOUR, now(), FOREIGN)
    assert (job.capability, job.billed, job.state) == (None, False, JobState.FINISHED)


@pytest.mark.parametrize("hours", [0.1, 20])
def test_one_that_is_lost_for_an_hour_is_not_taken_for_absent(tmp_path, hours):
    """However long a stretch is looked through: after a clock that was wrong it is as much longer."""
    removed = {**FOREIGN, "input": {}, "output": None, "data_removed": True}
    (job,) = listed(tmp_path, now() - hours * HOUR, now(), removed)
    assert job.fingerprint is None


def test_a_sweep_of_hours_takes_what_was_deleted_as_billed(tmp_path):
    removed = {**FOREIGN, "model": "black-forest-labs/flux-dev", "input": {}, "output": None, "data_removed": True}
    (job,) = listed(tmp_path, now() - 3 * HOUR, now(), removed)
    assert (job.billed, job.units) == (True, {"images": 1})


def test_a_list_without_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("providers.adapters.replicate.MOST_PAGES", 3)
    page = {"body": {"next": "https://elsewhere.example/predictions?cursor=x", "results": []}}
    with playing([page] * 3) as recorder, pytest.raises(Unknown, match="no end"):
        adapter_at(Replicate, recorder.url, tmp_path).list_jobs(now() - HOUR, now())
    assert [asked.path for asked in recorder.asked[1:]] == ["/predictions?cursor=x"] * 2


# -- webhooks --------------------------------------------------------------------------------------

SECRET = "whsec_dmlkYmF0Y2gtc2ltdWxhdG9yLWtleS0wMTIzNDU2Nzg5"
SIGNED = {
    "webhook-id": "msg_test_0001",
    "webhook-timestamp": "1700000000",
    "webhook-signature": "v1,D4ecqdSQGmg2+iKxAZ7GqRFSBhQH5sO99Bc+WtEGWNA=",
}
BODY = b'{"id":"abc","status":"succeeded"}'


def test_a_signed_webhook_names_its_job():
    said = Replicate.read_webhook(SIGNED, BODY, [SECRET], 1_700_000_010.0)
    assert (said.webhook_id, said.external_id) == ("msg_test_0001", "abc")


def test_a_webhook_that_was_changed_is_refused():
    with pytest.raises(BadSignature):
        Replicate.read_webhook(SIGNED, BODY.replace(b"abc", b"abd"), [SECRET], 1_700_000_010.0)


def test_a_webhook_comes_when_it_is_over_and_its_own_client_believes_it(vendors, flux, picture):
    from replicate.webhook import Webhooks, WebhookSigningSecret, WebhookValidationError

    with receiver() as place:
        job = flux.submit(replace(picture, callback_url=place.url)).external_id
        place.wait_for(1)
    headers, body = place.got[0]
    secret = flux.call("GET", "/webhooks/default/secret")["key"]
    assert Replicate.read_webhook(headers, body, [secret], time.time()).external_id == job
    came = {"headers": headers, "body": body.decode(), "tolerance": 300}
    Webhooks.validate(secret=WebhookSigningSecret(key=secret), **came)
    with pytest.raises(WebhookValidationError):
        Webhooks.validate(secret=WebhookSigningSecret(key=SECRET), **came)


# -- the vendor's own client -----------------------------------------------------------------------


@pytest.fixture
def client(vendors):
    """It adds /v1 itself, and never sends a create again."""
    import replicate

    client = replicate.Client(api_token="a-key", base_url=f"{vendors.url}/replicate")
    client.poll_interval = 0.02
    yield client
    client._client.close()


SCHNELL = "black-forest-labs/flux-schnell"


def test_its_own_client_submits_polls_and_lists(client):
    prediction = client.models.predictions.create(model=SCHNELL, input={"prompt": "a lake", "num_outputs": 2})
    assert prediction.status == "starting"
    prediction.wait()
    assert prediction.status == "succeeded"
    assert len(prediction.output) == 2
    assert [one.id for one in client.predictions.list()] == [prediction.id]
    assert client.accounts.current().username == "maker"


def test_its_own_client_runs_and_reads_the_files(client):
    """It waits in the create itself; links that are not https it gives as they are."""
    files = client.run(SCHNELL, input={"prompt": "a lake", "num_outputs": 2, "output_format": "jpg"})
    assert [picture_at(link).format for link in files] == ["JPEG", "JPEG"]
    single = client.run("black-forest-labs/flux-1.1-pro", input={"prompt": "a lake", "output_format": "webp"})
    assert picture_at(single).format == "WEBP"


def test_its_own_client_raises_its_own_errors(vendors, client):
    from replicate.exceptions import ModelError, ReplicateError

    with pytest.raises(ReplicateError) as caught:
        client.models.predictions.create(model=SCHNELL, input={"prompt": "a lake", "num_outputs": 9})
    assert caught.value.status == 422
    vendors.control("replicate", account={"credit_usd": 0})
    with pytest.raises(ReplicateError) as caught:
        client.models.predictions.create(model=SCHNELL, input={"prompt": "a lake"})
    assert caught.value.status == 402
    vendors.control("replicate", account={}, next=["moderated"])
    with pytest.raises(ModelError, match="NSFW"):
        client.run(SCHNELL, input={"prompt": "a lake"}, wait=False)


def test_its_own_client_cancels(vendors, client):
    vendors.control("replicate", latency_s=[500, 500])
    prediction = client.models.predictions.create(model=SCHNELL, input={"prompt": "a lake"})
    prediction.cancel()
    assert prediction.status == "canceled"


@pytest.mark.slow
def test_its_own_client_does_not_know_what_aborted_is(vendors, client, flux, picture):
    vendors.control("replicate", queue_s=[900, 900])
    job = flux.submit(picture).external_id
    until_over(flux, job)
    with pytest.raises(pydantic.v1.ValidationError):
        client.predictions.get(job)


def test_its_answers_are_as_the_vendor_documents_them(vendors, flux, picture):
    place = "/models/black-forest-labs/flux-schnell/predictions"
    told = flux.call("POST", place, json={"input": {"prompt": "a lake"}})
    assert schemas.answer_trouble("replicate", "POST", place, 201, told) == []
    vendors.control("replicate", next=["fail_job"])
    for status in ("failed", "succeeded"):
        job = flux.submit(picture).external_id
        until_over(flux, job)
        told = flux.call("GET", f"/predictions/{job}")
        assert told["status"] == status
        assert schemas.answer_trouble("replicate", "GET", f"/predictions/{job}", 200, told) == []
    for path in ("/predictions", "/account", "/webhooks/default/secret"):
        assert schemas.answer_trouble("replicate", "GET", path, 200, flux.call("GET", path)) == []
    ended = flux.call("POST", f"/predictions/{job}/cancel")
    assert schemas.answer_trouble("replicate", "POST", f"/predictions/{job}/cancel", 200, ended) == []


def test_its_limits_are_told_beside_every_answer(flux, picture):
    flux.submit(picture)
    assert flux.limits[0].remaining == 599
    flux.call("GET", "/account")
    assert flux.limits[0].remaining == 2999


def test_a_fingerprint_tells_model_prompt_and_seed_apart(picture):
    others = [replace(picture, seed=1), replace(picture, prompt="x"), replace(picture, offer="flux-dev")]
    prints = {Replicate.fingerprint_of(request) for request in [picture, *others]}
    assert len(prints) == 4
    assert json.loads(Replicate.fingerprint_of(picture))[0] == SCHNELL
