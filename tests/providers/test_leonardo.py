"""Leonardo AI, against the simulator."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from providers import catalogue, webhooks
from providers.adapters.leonardo import LIGHTNING, LUCID, PAGE, PHOENIX, SEEDS, Leonardo
from providers.exceptions import BadSignature, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from providers.models import Provider, WebhookEvent
from providers.pricing import cost
from providers.types import Accepted, Capability, Failed, Finished, JobState, Request, Running
from tests.providers import schemas
from tests.providers.recorded import playing
from tests.providers.speaking import adapter_for, made, until_over
from tests.simulator.receiver import Receiver

AT = "/api/rest/v1"
EVER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))
WEBHOOK_KEY = "a-webhook-key"


@pytest.fixture
def leonardo(vendors, tmp_path):
    return adapter_for(vendors, "leonardo", tmp_path, path=AT)


@pytest.fixture
def picture():
    return Request(
        capability=Capability.IMAGE, offer=LIGHTNING, prompt="a lake at dawn", width=1920, height=1080, seed=7
    )


def account(vendors, **values):
    vendors.control("leonardo", account={"dollars": 1000.0, "unit": "DOLLARS", **values})


def bills(vendors):
    return [bill["amount_micro"] for bill in vendors.books("leonardo")["bills"]]


@pytest.mark.parametrize("offer", [LIGHTNING, PHOENIX, LUCID])
def test_several_candidates_come_of_one_request(vendors, leonardo, picture, offer):
    answer = made(leonardo, replace(picture, offer=offer, takes=4))
    assert isinstance(answer, Finished)
    assert len({output.url for output in answer.outputs}) == 4
    assert all(output.url.startswith(vendors.url) for output in answer.outputs)
    assert {output.media_type for output in answer.outputs} == {"image/jpeg"}


def test_the_answer_to_a_submit_says_what_the_vendor_bills(vendors, leonardo, picture):
    accepted = leonardo.submit(replace(picture, takes=3))
    assert [accepted.units["micro_usd"]] == bills(vendors)
    price = catalogue.of("leonardo").offer("image", LIGHTNING).price
    assert cost(price, accepted.units) == bills(vendors)[0]


def test_on_an_old_plan_it_is_said_in_credits(vendors, leonardo, picture):
    account(vendors, unit="CREDITS")
    accepted = leonardo.submit(picture)
    assert accepted.units == {"micro_usd": 0, "credits": 4}
    price = catalogue.of("leonardo").offer("image", LIGHTNING).price
    assert cost(price, accepted.units) >= bills(vendors)[0]


@pytest.mark.parametrize("takes", [1, 2, 4, 8])
@pytest.mark.parametrize("own", [{}, {"alchemy": True}, {"width": 1536, "height": 1536}])
def test_no_more_is_billed_than_was_reserved(vendors, leonardo, picture, takes, own):
    request = replace(picture, takes=min(takes, 4) if "width" in own else takes, extra={"vendor": own})
    leonardo.submit(request)
    assert bills(vendors)[0] <= Leonardo.most_units(request)["micro_usd"]


def test_parameters_that_make_no_sense_reserve_a_lot_and_crash_nothing(picture):
    odd = replace(picture, extra={"vendor": {"width": "wide", "num_images": None}})
    assert Leonardo.most_units(odd)["micro_usd"] > 10 * Leonardo.most_units(picture)["micro_usd"]


def test_what_is_too_many_waits_there_and_is_not_refused(vendors, leonardo, picture):
    vendors.control("leonardo", latency_s=[600, 600], concurrency=1)
    jobs = [leonardo.submit(picture).external_id for _ in range(3)]
    assert [leonardo.poll(job) for job in jobs] == [Running()] * 3


def test_more_than_may_wait_there_are_refused(vendors, leonardo, picture):
    vendors.control("leonardo", latency_s=[6000, 6000])
    account(vendors, pending=2)
    leonardo.submit(picture)
    leonardo.submit(picture)
    with pytest.raises(RateLimited) as caught:
        leonardo.submit(picture)
    assert caught.value.retry_after_s == 60


# -- how it ends -----------------------------------------------------------------------------------


def test_what_is_not_safe_for_work_does_not_go_on(vendors, leonardo, picture):
    account(vendors, nsfw=1)
    answer = made(leonardo, replace(picture, takes=3))
    assert (type(answer), len(answer.outputs)) == (Finished, 2)


def test_where_nothing_is_safe_it_ends_as_moderated(vendors, leonardo, picture):
    account(vendors, nsfw=2)
    answer = made(leonardo, replace(picture, takes=2))
    assert (type(answer), answer.moderated, answer.billed) == (Failed, True, True)


def test_fewer_than_asked_for_are_a_result(vendors, leonardo, picture):
    account(vendors, missing=1)
    assert len(made(leonardo, replace(picture, takes=4)).outputs) == 3


def test_a_failure_is_one(vendors, leonardo, picture):
    vendors.control("leonardo", next=["fail_job"])
    answer = made(leonardo, picture)
    assert (type(answer), answer.moderated, answer.billed) == (Failed, False, False)


@pytest.mark.parametrize("status", [400, 403])
def test_a_declined_prompt_is_known_by_its_text_whatever_the_status(vendors, leonardo, picture, status):
    vendors.control("leonardo", moderated_words=["forbidden"])
    account(vendors, declined=status)
    with pytest.raises(Rejected) as caught:
        leonardo.submit(replace(picture, prompt="a forbidden lake"))
    assert caught.value.moderated
    assert bills(vendors) == []


# -- the account -----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["bad", "revoked"])
def test_a_wrong_key_is_the_account_s_trouble_even_as_a_500(vendors, tmp_path, picture, key):
    with pytest.raises(Unauthorised):
        adapter_for(vendors, "leonardo", tmp_path, key=key, path=AT).submit(picture)


def test_an_address_without_its_middle_part_is_not_taken_for_an_outage(vendors, tmp_path, picture):
    with pytest.raises(Unauthorised):
        adapter_for(vendors, "leonardo", tmp_path, path="/api/v1").submit(picture)


def test_the_balance_falls_and_none_is_the_account_s_trouble(vendors, leonardo, picture):
    account(vendors, dollars=0.01)
    before = leonardo.call("GET", "/me")["user_details"][0]["apiPaidTokens"]
    leonardo.submit(picture)
    assert leonardo.call("GET", "/me")["user_details"][0]["apiPaidTokens"] < before
    with pytest.raises(OutOfCredit):
        leonardo.submit(picture)


# -- what is sent ----------------------------------------------------------------------------------


def sent(request, folder):
    with playing([{"body": {"sdGenerationJob": {"generationId": "x"}}}]) as recorder:
        adapter_for(type("At", (), {"url": recorder.url}), "leonardo", folder, path=AT).submit(request)
    (asked,) = recorder.asked
    assert schemas.request_trouble("leonardo", "POST", asked.path, asked.json()) == []
    return asked.json()


def test_every_default_that_costs_money_or_shows_the_picture_is_said(tmp_path, picture):
    assert sent(replace(picture, callback_url="https://videos.example.org/webhooks/leonardo/"), tmp_path) == {
        "prompt": "a lake at dawn",
        "modelId": LIGHTNING,
        "num_images": 1,
        "width": 1536,
        "height": 864,
        "seed": 7,
        "alchemy": False,
        "public": False,
        "presetStyle": "NONE",
    }


@pytest.mark.parametrize("offer", [PHOENIX, LUCID])
def test_models_that_need_a_contrast_get_one_unless_an_admin_says_another(tmp_path, picture, offer):
    assert sent(replace(picture, offer=offer), tmp_path)["contrast"] == 3.5
    assert sent(replace(picture, offer=offer, extra={"vendor": {"contrast": 4}}), tmp_path)["contrast"] == 4


@pytest.mark.parametrize(
    ("takes", "own", "size"),
    [
        (4, {}, (1536, 864)),
        (5, {}, (768, 432)),
        (8, {}, (768, 432)),
        (1, {"alchemy": True}, (1024, 576)),
        (1, {"width": 512, "height": 512}, (512, 512)),
    ],
)
def test_sizes_are_what_number_and_alchemy_allow(tmp_path, picture, takes, own, size):
    body = sent(replace(picture, takes=takes, extra={"vendor": own}), tmp_path)
    assert (body["width"], body["height"], body["num_images"]) == (*size, takes)


@pytest.mark.parametrize("seed", [0, SEEDS - 1, SEEDS, 2**40])
def test_seeds_are_in_the_range_of_every_model(tmp_path, picture, seed):
    assert 0 <= sent(replace(picture, seed=seed), tmp_path)["seed"] < SEEDS


def test_a_long_prompt_is_cut(tmp_path, picture):
    assert len(sent(replace(picture, prompt="x" * 4000), tmp_path)["prompt"]) == 1500


# -- lost answers ----------------------------------------------------------------------------------


def test_a_job_whose_answer_was_lost_is_found_by_what_it_shows(vendors, leonardo, picture):
    leonardo.submit(replace(picture, prompt="another lake"))
    leonardo.submit(replace(picture, seed=8))
    vendors.control("leonardo", next=["lose_after_accept"])
    with pytest.raises(Unknown):
        leonardo.submit(picture)
    wanted = Leonardo.fingerprint_of(picture)
    (job,) = [job for job in leonardo.list_jobs(*EVER) if job.fingerprint == wanted]
    assert isinstance(until_over(leonardo, job.external_id), Finished)
    (again,) = [job for job in leonardo.list_jobs(*EVER) if job.fingerprint == wanted]
    assert (again.state, again.billed, again.capability) == (JobState.FINISHED, True, Capability.IMAGE)
    assert again.units["micro_usd"] >= max(bills(vendors))
    assert abs(again.created_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_more_attempts_of_one_request_look_alike(leonardo, picture):
    assert Leonardo.fingerprint_of(picture) == Leonardo.fingerprint_of(replace(picture, tag="b" * 32, takes=2))
    assert not Leonardo.tagged
    with pytest.raises(NotImplementedError):
        leonardo.find("a" * 32)


def test_blanks_and_letters_that_the_vendor_changes_do_not_hide_a_job(picture):
    messy = replace(picture, prompt=" a lake\n at dawn ", offer=LIGHTNING.upper())
    assert Leonardo.fingerprint_of(messy) == Leonardo.fingerprint_of(picture)


def test_states_of_a_listing(vendors, leonardo, picture):
    vendors.control("leonardo", next=["fail_job"])
    failed = leonardo.submit(picture).external_id
    until_over(leonardo, failed)
    vendors.control("leonardo", latency_s=[6000, 6000])
    running = leonardo.submit(picture).external_id
    listed = {job.external_id: (job.state, job.billed) for job in leonardo.list_jobs(*EVER)}
    assert listed == {failed: (JobState.FAILED, False), running: (JobState.RUNNING, True)}


def generation(number: int, at: datetime) -> dict:
    return {
        "id": f"job-{number}",
        "status": "COMPLETE",
        "createdAt": at.isoformat()[:19],
        "prompt": "x",
        "seed": number,
    }


def pages(folder, pages_of_jobs, since, until):
    """(what is found, the queries) with a vendor that lists so."""
    me = {"body": {"user_details": [{"user": {"id": "u"}}]}}
    with playing([me, *({"body": {"generations": page}} for page in pages_of_jobs)]) as recorder:
        found = adapter_for(type("At", (), {"url": recorder.url}), "leonardo", folder).list_jobs(since, until)
    return [job.external_id for job in found], [asked.path.partition("?")[2] for asked in recorder.asked[1:]]


NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MOMENTS = [NOON + timedelta(minutes=n) for n in range(6)]
JOBS = [generation(n, at) for n, at in enumerate(MOMENTS)]


def test_a_listing_with_the_newest_first_ends_behind_the_moment(tmp_path):
    found, queries = pages(tmp_path, [JOBS[:3:-1], JOBS[3:1:-1], JOBS[1::-1]], MOMENTS[3], MOMENTS[4])
    assert found == ["job-3", "job-4"]
    assert queries == [f"offset={offset}&limit={PAGE}" for offset in (0, 2, 4)]


def test_a_listing_with_the_oldest_first_is_read_to_its_end(tmp_path):
    found, queries = pages(tmp_path, [JOBS[:2], JOBS[2:4], JOBS[4:], []], MOMENTS[3], MOMENTS[5])
    assert found == ["job-3", "job-4", "job-5"]
    assert len(queries) == 4


def test_a_job_that_slips_to_the_next_page_meanwhile_is_listed_once(tmp_path):
    assert pages(tmp_path, [JOBS[:3:-1], JOBS[4:1:-1], []], MOMENTS[0], MOMENTS[5])[0] == [
        "job-2",
        "job-3",
        "job-4",
        "job-5",
    ]


def test_a_listing_without_end_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("providers.adapters.leonardo.MOST_PAGES", 3)
    with pytest.raises(Unknown, match="more generations"):
        pages(tmp_path, [JOBS] * 3, *EVER)


# -- webhooks --------------------------------------------------------------------------------------


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def letter(vendors, leonardo, picture, receiver):
    """(headers, body) of the simulator's webhook about a job, and its id."""
    vendors.control("leonardo", hook_url=receiver.url)
    job = leonardo.submit(picture).external_id
    receiver.wait_for(1)
    return *receiver.got[0], job


def test_a_webhook_with_the_right_key_names_its_job(letter):
    headers, body, job = letter
    said = Leonardo.read_webhook(headers, body, ["an-old-key", WEBHOOK_KEY], 0.0)
    assert said.external_id == job
    assert Leonardo.read_webhook(headers, body, [WEBHOOK_KEY], 0.0).webhook_id == said.webhook_id


@pytest.mark.parametrize("given", [None, "", "Bearer ", "Bearer wrong", WEBHOOK_KEY, "Bearer ключ"])
def test_a_webhook_without_the_key_is_refused(letter, given):
    _, body, _ = letter
    headers = {} if given is None else {"Authorization": given}
    with pytest.raises(BadSignature):
        Leonardo.read_webhook(headers, body, [WEBHOOK_KEY], 0.0)


def test_a_job_that_is_not_over_has_no_news(letter):
    headers, body, _ = letter
    pending = body.replace(b'"COMPLETE"', b'"PENDING"')
    assert Leonardo.read_webhook(headers, pending, [WEBHOOK_KEY], 0.0).external_id is None


@pytest.mark.engine
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("part", "instead", "is_read"),
    [(b"{", b"{", True), (b"{", b"*", False), (b'"data"', b'"date"', False)],
    ids=["whole", "no JSON", "without its data"],
)
def test_the_keys_that_a_webhook_carries_are_neither_stored_nor_logged(
    letter, monkeypatch, caplog, part, instead, is_read
):
    headers, body, job = letter
    assert b"the-api-key-in-clear" in body
    assert WEBHOOK_KEY.encode() in body
    monkeypatch.setenv(Leonardo.webhook_secret_env, WEBHOOK_KEY)
    monkeypatch.setattr(webhooks, "counts", webhooks._Counts())
    Provider.objects.get_or_create(slug="leonardo", defaults={"label": "Leonardo AI"})
    with caplog.at_level(logging.DEBUG):
        said = {"Authorization": headers["authorization"]}
        sent = body.replace(part, instead)
        answer = Client().post("/webhooks/leonardo/", sent, content_type="application/json", headers=said)
        Client().post("/webhooks/leonardo/", body, content_type="application/json", headers={"Authorization": "x"})
    assert answer.status_code == 204
    stored = list(WebhookEvent.objects.values())
    assert [event["external_id"] for event in stored] == ([job] if is_read else [])
    for secret in ("the-api-key-in-clear", WEBHOOK_KEY):
        assert secret not in caplog.text
        assert secret not in json.dumps(stored, default=str)


# -- the simulator's answers -----------------------------------------------------------------------


def test_its_answers_are_as_the_vendor_documents_them(vendors, leonardo, picture):
    body = {"prompt": "a lake", "num_images": 2, "alchemy": False}
    told = leonardo.call("POST", "/generations", json=body)
    assert schemas.answer_trouble("leonardo", "POST", "/generations", 200, told) == []
    job = told["sdGenerationJob"]["generationId"]
    until_over(leonardo, job)
    user = leonardo.call("GET", "/me")["user_details"][0]["user"]["id"]
    for path in (f"/generations/{job}", f"/generations/user/{user}", "/me"):
        assert schemas.answer_trouble("leonardo", "GET", path, 200, leonardo.call("GET", path)) == []


def test_without_a_word_it_makes_four_with_alchemy(vendors, leonardo):
    told = leonardo.call("POST", "/generations", json={"prompt": "a lake"})
    assert float(told["sdGenerationJob"]["cost"]["amount"]) == pytest.approx(2 * 4 * 0.0045 * 1024 * 768 / 896**2, 0.01)
    assert len(until_over(leonardo, told["sdGenerationJob"]["generationId"]).outputs) == 4


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "non-nullable"),
        ({"prompt": "a", "numImages": 1}, "Unexpected variable"),
        ({"prompt": "a" * 1501}, "1500"),
        ({"prompt": "a", "num_images": 5}, "too many images"),
        ({"prompt": "a", "num_images": "1"}, "num_images"),
        ({"prompt": "a", "width": 1030}, "invalid dimensions"),
        ({"prompt": "a", "width": 1536}, "invalid dimensions"),
        ({"prompt": "a", "alchemy": True, "ultra": True}, "alchemy"),
        ({"prompt": "a", "contrast": 2}, "contrast"),
    ],
)
def test_it_refuses_what_the_vendor_refuses(leonardo, body, says):
    with pytest.raises(Rejected) as caught:
        leonardo.call("POST", "/generations", json=body)
    assert says in caught.value.detail


def test_an_unknown_generation_is_null(leonardo):
    path = "/generations/7d1f0c52-8a3e-4b6f-9f0e-2a41c0b9d111"
    assert leonardo.call("GET", path) == {"generations_by_pk": None}
    assert isinstance(leonardo.submit(Request(capability=Capability.IMAGE, offer=LUCID, prompt="x")), Accepted)
