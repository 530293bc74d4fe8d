"""Pika in fal.ai's queue, against the simulator and beside fal.ai's own client."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from django.test import Client

from providers import callbacks, catalogue, pricing, webhooks
from providers.adapters.pika import Pika
from providers.adapters.pika.published_keys import PublishedKeys
from providers.exceptions import BadSignature, OutOfCredit, RateLimited, Rejected, Unauthorised
from providers.models import Provider, WebhookEvent
from providers.types import Capability, Failed, Finished, Request, Running
from tests.providers import schemas
from tests.providers.recorded import a_picture, adapter_at, playing
from tests.providers.speaking import adapter_for, made, until_over
from tests.simulator.receiver import receiver

MODEL = "fal-ai/pika/v2.2/image-to-video"
SCHEMA = f"/{MODEL}"
TAG = "a1b2c3"


@pytest.fixture
def pika(vendors, tmp_path):
    return adapter_for(vendors, "pika", tmp_path)


@pytest.fixture
def clip(tmp_path):
    return Request(
        capability=Capability.CLIP,
        offer=MODEL,
        prompt="slow dolly in",
        inputs=(a_picture(tmp_path),),
        width=1280,
        height=720,
        seconds=5.0,
        seed=7,
    )


def told_by(adapter, external_id):
    """What is said behind that address, whatever its status."""
    answer = adapter.session.get(adapter.url + external_id, headers=adapter.headers(), timeout=10)
    return answer.status_code, answer.json()


def asked_with(tmp_path, request):
    """What is sent: (path, headers, body)."""
    with playing([{"body": {"status_url": "{base}/fal-ai/pika/requests/x/status"}}]) as recorder:
        adapter_at(Pika, recorder.url, tmp_path).submit(request)
    return recorder.asked[0].path, recorder.asked[0].headers, recorder.asked[0].json()


def test_a_picture_becomes_a_clip(vendors, pika, clip):
    answer = made(pika, clip)
    assert isinstance(answer, Finished)
    assert answer.outputs[0].url.startswith(vendors.url)
    assert answer.units == {}  # fal's units are not ours: what was reserved is booked


@pytest.mark.parametrize(
    ("offer", "height", "seconds", "cents"),
    [
        (MODEL, 720, 5.0, 20),
        (MODEL, 720, 10.0, 40),
        (MODEL, 1080, 5.0, 45),
        (MODEL, 1080, 10.0, 90),
        ("fal-ai/pika/v2.1/image-to-video", 1080, 5.0, 40),
        ("fal-ai/pika/v2/turbo/image-to-video", 720, 10.0, 20),
    ],
)
def test_what_is_reserved_is_what_the_vendor_bills(vendors, pika, clip, offer, height, seconds, cents):
    request = replace(clip, offer=offer, width=height * 16 // 9, height=height, seconds=seconds)
    pika.submit(request)
    (bill,) = vendors.books("pika")["bills"]
    price = catalogue.of("pika").offer("clip", offer).price
    assert pika.most_units(request)["cents"] == cents
    assert pricing.cost(price, pika.most_units(request)) == bill["amount_micro"]


def test_an_offer_s_own_parameters_count_in_its_price(pika, clip):
    request = replace(clip, extra={"vendor": {"resolution": "1080p", "duration": 10}})
    assert pika.most_units(request) == {"seconds": 10, "cents": 90}


def test_what_is_sent(tmp_path, clip):
    path, headers, body = asked_with(tmp_path, replace(clip, width=1080, height=1920, seconds=6.5))
    assert path == f"/{MODEL}"
    assert headers["Authorization"].startswith("Key ")
    assert body.pop("image_url").startswith("data:image/png;base64,")
    assert body == {"prompt": "slow dolly in", "resolution": "1080p", "duration": 10, "seed": 7}


def test_the_address_to_call_back_goes_along(tmp_path, clip):
    path, _, _ = asked_with(tmp_path, replace(clip, callback_url="https://videos.example.org/webhooks/pika/t/m/"))
    assert path.endswith("?fal_webhook=https%3A%2F%2Fvideos.example.org%2Fwebhooks%2Fpika%2Ft%2Fm%2F")


def test_what_is_too_many_waits_there_and_is_not_refused(vendors, pika, clip):
    vendors.control("pika", latency_s=[6000, 6000])
    jobs = [pika.submit(clip).external_id for _ in range(3)]
    assert [told_by(pika, job)[1]["status"] for job in jobs] == ["IN_PROGRESS", "IN_PROGRESS", "IN_QUEUE"]
    assert pika.poll(jobs[2]) == Running()


@pytest.mark.parametrize("path", ["", "/response"])
def test_the_result_is_where_the_status_says(vendors, pika, clip, path):
    vendors.control("pika", account={"response_path": path})
    assert isinstance(made(pika, clip), Finished)


def test_a_job_can_be_followed_by_its_bare_id(pika, clip):
    job = pika.submit(clip).external_id
    assert isinstance(until_over(pika, job.split("/")[-2]), Finished)


def test_what_is_declined_is_completed_there_and_moderated_here(vendors, pika, clip):
    vendors.control("pika", next=["moderated"])
    job = pika.submit(clip).external_id
    answer = until_over(pika, job)
    assert told_by(pika, job)[1]["status"] == "COMPLETED"
    assert isinstance(answer, Failed)
    assert (answer.moderated, answer.billed) == (True, False)


@pytest.mark.parametrize("bills", [False, True])
def test_a_failure_says_whether_it_is_charged(vendors, pika, clip, bills):
    vendors.control("pika", next=["fail_job"], bill_failed=bills)
    answer = made(pika, clip)
    assert answer == Failed(
        reason="Pika made nothing of this prompt and picture (no_media_generated).", moderated=False, billed=bills
    )


@pytest.mark.parametrize("kind", ["generation_timeout", "downstream_service_error", "file_download_error"])
def test_a_failure_of_any_status_ends_the_job(vendors, pika, clip, kind):
    vendors.control("pika", next=["fail_job"], account={"failure": kind})
    answer = made(pika, clip)
    assert isinstance(answer, Failed)
    assert kind in answer.reason


def test_one_that_waits_can_be_cancelled(vendors, pika, clip):
    vendors.control("pika", latency_s=[6000, 6000])
    job = [pika.submit(clip).external_id for _ in range(3)][-1]
    pika.cancel(job)
    answer = pika.poll(job)
    assert isinstance(answer, Failed)
    assert "cancelled" in answer.reason


def test_one_that_is_over_cannot_be_cancelled(pika, clip):
    job = pika.submit(clip).external_id
    until_over(pika, job)
    with pytest.raises(Rejected):
        pika.cancel(job)


def test_a_full_queue_refuses_only_who_asks_for_that(vendors, pika, clip):
    vendors.control("pika", latency_s=[6000, 6000])
    for _ in range(3):
        pika.submit(clip)
    with pytest.raises(RateLimited):
        pika.read("POST", f"/{MODEL}?fal_max_queue_length=1", json={}, paid=True)


def test_a_locked_account_is_out_of_credit(vendors, pika, clip):
    vendors.control("pika", account={"is_locked": True})
    with pytest.raises(OutOfCredit):
        pika.submit(clip)


def test_a_wrong_key_is_the_account_s_trouble(vendors, tmp_path, clip):
    with pytest.raises(Unauthorised):
        adapter_for(vendors, "pika", tmp_path, key="bad").submit(clip)


def test_without_a_picture_nothing_is_sent(pika, vendors, clip):
    with pytest.raises(Rejected, match="picture"):
        pika.submit(replace(clip, inputs=()))
    assert vendors.books("pika")["bills"] == []


# -- webhooks --------------------------------------------------------------------------------------


@pytest.fixture
def _keys(vendors, monkeypatch):
    """Its keys are at the simulator, and not known yet."""
    monkeypatch.setattr(Pika, "keys_host", f"{vendors.url}/pika")
    monkeypatch.setattr(Pika, "published", PublishedKeys())


@pytest.fixture
def called_back(vendors, pika, clip, _keys):
    """(external id, headers, body) of a job's webhook; `faults` on its way come beside the true one."""

    def call(*faults, **settings):
        vendors.control("pika", next_hook=list(faults), **settings)
        with receiver() as receiving:
            job = pika.submit(replace(clip, callback_url=f"{receiving.url}{TAG}/mac/")).external_id
            receiving.wait_for(1 + len(faults))
            return [(job, *said) for said in receiving.got]

    return call


def read(headers, body, now=None):
    return Pika.read_webhook(headers, body, (), time.time() if now is None else now)


def test_a_signed_webhook_names_the_job_as_the_submit_did(called_back):
    ((job, headers, body),) = called_back()
    said = read(headers, body)
    assert said.external_id == job
    assert said.webhook_id == json.loads(body)["request_id"]
    assert json.loads(body)["status"] == "OK"


def test_a_failure_is_a_webhook_too(called_back):
    ((job, headers, body),) = called_back(next=["moderated"])
    assert read(headers, body).external_id == job
    said = json.loads(body)
    assert said["status"] == "ERROR"
    assert said["payload"]["detail"][0]["type"] == "content_policy_violation"


@pytest.mark.parametrize("fault", ["forged", "unsigned"])
def test_one_that_fal_did_not_sign_is_refused(called_back, fault):
    verdicts = []
    for _, headers, body in called_back(fault):
        try:
            verdicts.append(read(headers, body).external_id is not None)
        except BadSignature:
            verdicts.append(False)
    assert sorted(verdicts) == [False, True]


def test_every_part_of_it_is_signed(called_back):
    ((_, headers, body),) = called_back()
    for name in ("request-id", "user-id", "timestamp", "signature"):
        given = headers[f"x-fal-webhook-{name}"]
        other = given[:-1] + ("0" if given[-1] != "0" else "1")
        for changed in (other, "", "zz"):
            with pytest.raises(BadSignature):
                read({**headers, f"x-fal-webhook-{name}": changed}, body)
    with pytest.raises(BadSignature):
        read(headers, body + b" ")


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_one_cannot_be_played_again(called_back, seconds):
    ((_, headers, body),) = called_back()
    with pytest.raises(BadSignature, match="too old or too new"):
        read(headers, body, int(headers["x-fal-webhook-timestamp"]) + seconds)


def test_the_keys_are_fetched_when_the_first_one_comes_and_kept_for_a_day():
    keys, fetched = PublishedKeys(), []

    def fetch():
        fetched.append(1)
        return ["key"]

    assert [keys.at(now, fetch) for now in (1000.0, 87_399.0)] == [["key"]] * 2
    assert len(fetched) == 1
    keys.at(87_400.0, fetch)
    assert len(fetched) == 2


def test_while_the_keys_cannot_be_had_nothing_is_believed_and_nobody_waits(called_back, monkeypatch, vendors):
    ((_, headers, body),) = called_back()
    monkeypatch.setattr(Pika, "keys_host", f"{vendors.url}/pika/nowhere")
    monkeypatch.setattr(Pika, "published", PublishedKeys())
    now = time.time()
    with pytest.raises(BadSignature, match="cannot be had"):
        read(headers, body, now)
    monkeypatch.setattr(Pika, "keys_host", f"{vendors.url}/pika")
    with pytest.raises(BadSignature, match="no signature is right"):
        read(headers, body, now + 59)
    assert read(headers, body, now + 60)


@pytest.mark.parametrize("keys", [[], ["", "!", "c2hvcnQ", "é"]])
def test_keys_that_are_none_sign_nothing(called_back, monkeypatch, keys):
    ((_, headers, body),) = called_back()
    with playing([{"body": {"keys": [{"kty": "OKP", "x": key} for key in keys]}}]) as recorder:
        monkeypatch.setattr(Pika, "keys_host", recorder.url)
        monkeypatch.setattr(Pika, "published", PublishedKeys())
        with pytest.raises(BadSignature):
            read(headers, body)
    assert "Authorization" not in recorder.asked[0].headers


@pytest.mark.django_db
def test_the_site_takes_one_with_both_proofs_and_no_other(called_back, monkeypatch, settings):
    settings.PUBLIC_URL = "https://videos.example.org"
    monkeypatch.setattr(webhooks, "counts", webhooks._Counts())
    Provider.objects.get_or_create(slug="pika", defaults={"label": "Pika"})
    ((job, headers, body),) = called_back()
    signed = {name: said for name, said in headers.items() if name.startswith("x-fal")}
    path = callbacks.url_for(Pika, TAG).removeprefix(settings.PUBLIC_URL)

    def post(to, **more):
        given = {**signed, **more}
        return Client().post(to, body, content_type="application/json", headers=given).status_code

    assert TAG in path
    assert post("/webhooks/pika/") == 401  # fal's signature is not enough: it signs for others, too
    assert post(path.replace(TAG, "d4e5f6")) == 401
    assert post(path, **{"x-fal-webhook-user-id": "somebody"}) == 401
    assert not WebhookEvent.objects.exists()
    assert [post(path), post(path)] == [204, 204]
    event = WebhookEvent.objects.get()
    assert (event.tag, event.external_id) == (TAG, job)


# -- fal.ai's own client ---------------------------------------------------------------------------


@pytest.fixture
def client(vendors, monkeypatch):
    """It knows https and the names of its hosts alone, and sends everything up to ten times."""
    import fal_client

    monkeypatch.setattr(fal_client.client, "QUEUE_URL_FORMAT", f"{vendors.url}/pika/")
    monkeypatch.setattr(fal_client.client, "MAX_ATTEMPTS", 1)
    client = fal_client.SyncClient(key="a-key")
    yield client
    client._client.close()


ORDER = {"prompt": "a lake", "image_url": "https://example.com/a.png", "duration": "5"}


@pytest.mark.slow
def test_its_own_client_submits_polls_and_reads(vendors, client):
    import fal_client

    vendors.control("pika", latency_s=[600, 600])
    job = client.submit(MODEL, ORDER)
    assert isinstance(job.status(), fal_client.InProgress)
    result = job.get(interval=0.02)
    assert result["video"]["url"].startswith(vendors.url)
    done = client.status(MODEL, job.request_id, with_logs=True)
    assert isinstance(done, fal_client.Completed)
    assert done.error is None
    assert client.result(MODEL, job.request_id) == result


def test_its_own_client_cancels_what_waits(vendors, client):
    import fal_client

    vendors.control("pika", latency_s=[6000, 6000])
    jobs = [client.submit(MODEL, ORDER) for _ in range(3)]
    assert isinstance(jobs[2].status(), fal_client.Queued)
    jobs[2].cancel()
    done = jobs[2].status()
    assert done.error_type == "client_cancelled"


def test_its_own_client_raises_its_own_errors(vendors, client):
    import fal_client

    vendors.control("pika", next=["moderated", "503_before"])
    job = client.submit(MODEL, ORDER)
    with pytest.raises(fal_client.FalClientHTTPError) as declined:
        job.get(interval=0.02)
    assert declined.value.status_code == 422
    assert declined.value.message[0]["type"] == "content_policy_violation"
    with pytest.raises(fal_client.FalClientHTTPError) as failed:
        client.submit(MODEL, ORDER)
    assert failed.value.error_type == "runner_scheduling_failure"
    with pytest.raises(fal_client.FalClientHTTPError) as unknown:
        client.status(MODEL, "nobody")
    assert unknown.value.status_code == 404
    stranger = fal_client.SyncClient(key="bad")
    with pytest.raises(fal_client.FalClientHTTPError) as refused:
        stranger.submit(MODEL, ORDER)
    stranger._client.close()
    assert refused.value.status_code == 401


def test_its_answers_are_as_they_are_documented(vendors, pika):
    """The document puts requests below the whole id of the model, and says nothing of `logs` that are null."""
    taken = pika.call("POST", f"/{MODEL}", json=ORDER)
    assert schemas.answer_trouble("pika", "POST", SCHEMA, 200, taken) == []
    place = f"/fal-ai/pika/requests/{taken['request_id']}"
    until_over(pika, f"{place}/status")
    told = pika.call("GET", f"{place}/status?logs=1")
    del told["logs"]
    assert schemas.answer_trouble("pika", "GET", f"{SCHEMA}/requests/x/status", 200, told) == []
    assert schemas.answer_trouble("pika", "GET", f"{SCHEMA}/requests/x", 200, pika.call("GET", place)) == []
