"""Stability AI, against the simulator."""

from __future__ import annotations

import io
from dataclasses import replace
from email.parser import BytesParser
from email.policy import HTTP

import pytest
import requests
from PIL import Image

from providers import catalogue
from providers.adapters.stability import LOCKED_OUT_S, SDXL, STABLE_IMAGE, Stability
from providers.exceptions import OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from providers.types import Capability, Failed, Finished, Request
from tests.providers import schemas
from tests.providers.recorded import examples_of, playing
from tests.providers.speaking import adapter_for
from tests.simulator import protocols

FORM = "multipart/form-data"


@pytest.fixture
def stability(vendors, tmp_path):
    return adapter_for(vendors, "stability", tmp_path)


@pytest.fixture
def picture():
    return Request(
        capability=Capability.IMAGE, offer="core", prompt="a lake at dawn", width=1920, height=1080, seed=7, takes=1
    )


@pytest.fixture
def several(picture):
    return replace(picture, offer=SDXL, takes=10)


def bills(vendors):
    return [bill["amount_micro"] for bill in vendors.books("stability")["bills"]]


def price_of(offer: str) -> int:
    return catalogue.of("stability").offer("image", offer).price.micro


def account(vendors, **values):
    vendors.control("stability", account={"credits": 1000.0, **values})


@pytest.mark.parametrize("offer", STABLE_IMAGE)
def test_each_model_makes_one_picture_and_is_billed_as_the_catalogue_says(vendors, stability, picture, offer):
    answer = stability.submit(replace(picture, offer=offer))
    assert isinstance(answer, Finished)
    assert answer.units == {"images": 1}
    assert answer.external_id
    with Image.open(io.BytesIO(answer.outputs[0].content)) as made:
        assert made.width / made.height == pytest.approx(16 / 9, rel=0.03)
    assert bills(vendors) == [price_of(offer)]


def test_sdxl_gives_ten_candidates_for_one_request(vendors, stability, several):
    answer = stability.submit(several)
    assert len({output.content for output in answer.outputs}) == 10
    assert answer.units == {"images": 10} == {"images": Stability.most_units(several)["images"]}
    assert bills(vendors) == [10 * price_of(SDXL)]
    with Image.open(io.BytesIO(answer.outputs[0].content)) as made:
        assert made.size == (1344, 768)


def test_another_format_is_asked_for_in_the_vendor_s_words(stability, picture):
    answer = stability.submit(replace(picture, extra={"vendor": {"output_format": "jpeg"}}))
    assert answer.outputs[0].media_type == "image/jpeg"
    with Image.open(io.BytesIO(answer.outputs[0].content)) as made:
        assert made.format == "JPEG"


# -- what is declined ------------------------------------------------------------------------------


def test_a_picture_that_comes_blurred_ends_as_moderated(vendors, stability, picture):
    account(vendors, filtered=1)
    answer = stability.submit(picture)
    assert answer == Failed(reason=answer.reason, moderated=True, billed=True, units={"images": 1})
    assert bills(vendors) == [30_000]


def test_of_ten_only_the_good_ones_go_on(vendors, stability, several):
    account(vendors, filtered=3, broken=2)
    answer = stability.submit(several)
    assert (len(answer.outputs), answer.units) == (5, {"images": 8})
    assert bills(vendors) == [8 * price_of(SDXL)]


@pytest.mark.slow
def test_ten_that_were_all_filtered_end_as_moderated(vendors, stability, several):
    account(vendors, filtered=10)
    answer = stability.submit(several)
    assert (type(answer), answer.moderated, answer.units) == (Failed, True, {"images": 10})


def test_ten_that_all_broke_are_a_failure_without_a_bill(vendors, stability, several):
    account(vendors, broken=10)
    answer = stability.submit(several)
    assert (type(answer), answer.moderated, answer.billed) == (Failed, False, False)
    assert bills(vendors) == [0]


@pytest.mark.parametrize("offer", ["core", SDXL])
def test_a_declined_prompt_is_moderated_and_costs_nothing(vendors, stability, picture, offer):
    vendors.control("stability", moderated_words=["forbidden"])
    with pytest.raises(Rejected) as caught:
        stability.submit(replace(picture, offer=offer, prompt="a forbidden lake"))
    assert caught.value.moderated
    assert bills(vendors) == []


def test_prompts_in_other_languages_are_refused_with_a_reason(stability, picture):
    with pytest.raises(Rejected, match="English") as caught:
        stability.submit(replace(picture, prompt="озеро на рассвете"))
    assert not caught.value.moderated


# -- the account -----------------------------------------------------------------------------------


def test_too_many_requests_hold_the_lane_for_longer_than_the_lock_out(vendors, stability, picture):
    vendors.control("stability", limits=[{"requests": 1, "per_s": 600}], lockout_s=36_000)
    stability.submit(picture)
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            stability.submit(picture)
        assert caught.value.retry_after_s == LOCKED_OUT_S
    assert vendors.summary("stability")["refusals"]


def test_the_catalogue_keeps_well_below_the_lock_out():
    (quota,) = catalogue.of("stability").quotas
    (limit,) = protocols.ALL["stability"].settings["limits"]
    assert quota.strict
    assert (quota.unit, quota.window_s) == ("requests", limit["per_s"])
    assert quota.amount <= 0.8 * limit["requests"]
    assert protocols.ALL["stability"].settings["lockout_s"] < LOCKED_OUT_S


def test_credits_fall_and_none_is_the_account_s_trouble(vendors, stability, picture):
    vendors.control("stability", account={"credits": 4.0})
    stability.submit(picture)
    assert stability.call("GET", "/v1/user/balance") == {"credits": 1.0}
    with pytest.raises(OutOfCredit):
        stability.submit(picture)


@pytest.mark.parametrize("offer", ["core", SDXL])
def test_a_wrong_key_is_the_account_s_trouble(vendors, tmp_path, picture, offer):
    with pytest.raises(Unauthorised):
        adapter_for(vendors, "stability", tmp_path, key="bad").submit(replace(picture, offer=offer))


def test_a_model_that_is_gone_is_named_as_such(stability, picture):
    with pytest.raises(Rejected, match="this model"):
        stability.submit(replace(picture, offer="stable-diffusion-v1-6"))


@pytest.mark.parametrize("fault", ["lose_after_accept", "500_after", "garbage_after", "cut_answer", "500_before"])
def test_what_is_not_clear_is_unknown(vendors, stability, picture, fault):
    vendors.control("stability", next=[fault])
    with pytest.raises(Unknown):
        stability.submit(picture)


# -- what is sent ----------------------------------------------------------------------------------


def sent(request, folder, name="core"):
    """(what went over the wire, its form or JSON) for a request."""
    example = next(example for example in examples_of("stability") if example.name == name)
    with playing(example.answers()) as recorder:
        adapter_for(type("At", (), {"url": recorder.url}), "stability", folder).submit(request)
    (asked,) = recorder.asked
    return asked, asked.json() if "json" in asked.headers["Content-Type"] else form_of(asked)


def form_of(asked):
    head = f"Content-Type: {asked.headers['Content-Type']}\r\n\r\n".encode()
    parts = BytesParser(policy=HTTP).parsebytes(head + asked.body).iter_parts()
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode() for part in parts
    }


@pytest.mark.parametrize("offer", STABLE_IMAGE)
def test_a_form_has_the_fields_that_are_documented(tmp_path, picture, offer):
    asked, form = sent(replace(picture, offer=offer, extra={"vendor": {"negative_prompt": "people"}}), tmp_path)
    service = STABLE_IMAGE[offer][0]
    assert asked.path == f"/stability/v2beta/stable-image/generate/{service}"
    assert asked.headers["Content-Type"].startswith(FORM)
    assert asked.headers["Accept"] == "application/json"
    model = {"model": offer} if service == "sd3" else {}
    assert form == {
        "prompt": "a lake at dawn",
        "aspect_ratio": "16:9",
        "seed": "7",
        "output_format": "png",
        "negative_prompt": "people",
        **model,
    }
    typed = {**form, "seed": int(form["seed"])}
    assert schemas.request_trouble("stability", "POST", asked.path, typed, FORM) == []


def test_sdxl_is_asked_in_json_as_its_document_says(tmp_path, several):
    asked, body = sent(replace(several, extra={"vendor": {"cfg_scale": 8}}), tmp_path, "sdxl")
    assert asked.path == f"/stability/v1/generation/{SDXL}/text-to-image"
    assert (body["samples"], body["steps"], body["cfg_scale"]) == (10, 30, 8)
    assert (body["width"], body["height"]) == (1344, 768)
    assert schemas.request_trouble("stability", "POST", asked.path, body) == []


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [
        (1920, 1080, "16:9"),
        (1080, 1920, "9:16"),
        (1080, 1080, "1:1"),
        (1440, 1080, "5:4"),
        (2560, 1080, "21:9"),
        (0, 0, "1:1"),
    ],
)
def test_the_nearest_ratio_is_asked_for(tmp_path, picture, width, height, ratio):
    assert sent(replace(picture, width=width, height=height), tmp_path)[1]["aspect_ratio"] == ratio


@pytest.mark.parametrize(
    ("seed", "stable_image", "sdxl"),
    [
        (0, 4_294_967_294, 4_294_967_295),
        (1, 1, 1),
        (2**31 - 1, 2**31 - 1, 2**31 - 1),
        (4_294_967_294, 4_294_967_294, 4_294_967_294),
        (4_294_967_295, 1, 4_294_967_295),
        (2**32, 2, 1),
    ],
)
def test_seeds_are_in_range_and_never_the_random_one(tmp_path, picture, several, seed, stable_image, sdxl):
    assert sent(replace(picture, seed=seed), tmp_path)[1]["seed"] == str(stable_image)
    assert sent(replace(several, seed=seed), tmp_path, "sdxl")[1]["seed"] == sdxl


def test_long_prompts_are_cut_to_what_each_takes(tmp_path, picture, several):
    assert len(sent(replace(picture, prompt="x" * 20_000), tmp_path)[1]["prompt"]) == 10_000
    assert len(sent(replace(several, prompt="x" * 20_000), tmp_path, "sdxl")[1]["text_prompts"][0]["text"]) == 2000


# -- the simulator's answers -----------------------------------------------------------------------


def ask(vendors, method, path, **more):
    headers = {"Authorization": "Bearer a-key", "Accept": "application/json"}
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            method, f"{vendors.url}/stability{path}", headers=headers | more.pop("headers", {}), **more
        )


def test_its_answers_are_as_documented(vendors):
    account(vendors, filtered=1)
    path = "/v2beta/stable-image/generate/sd3"
    told = ask(vendors, "POST", path, files={"prompt": (None, "a lake")}).json()
    assert told["finish_reason"] == "CONTENT_FILTERED"
    assert schemas.answer_trouble("stability", "POST", path, 200, told) == []
    path = f"/v1/generation/{SDXL}/text-to-image"
    body = {"text_prompts": [{"text": "a lake"}], "width": 1024, "height": 1024, "samples": 2}
    told = ask(vendors, "POST", path, json=body).json()
    assert [one["finishReason"] for one in told["artifacts"]] == ["CONTENT_FILTERED", "SUCCESS"]
    assert schemas.answer_trouble("stability", "POST", path, 200, told["artifacts"]) == []
    for path in ("/v1/user/balance", "/v1/engines/list"):
        assert schemas.answer_trouble("stability", "GET", path, 200, ask(vendors, "GET", path).json()) == []


def test_it_gives_the_bytes_themselves_to_those_who_want_them(vendors):
    path = "/v2beta/stable-image/generate/core"
    told = ask(vendors, "POST", path, files={"prompt": (None, "a lake")}, headers={"Accept": "image/*"})
    assert (told.headers["Content-Type"], told.headers["finish-reason"]) == ("image/png", "SUCCESS")
    with Image.open(io.BytesIO(told.content)) as made:
        assert made.format == "PNG"


@pytest.mark.parametrize(
    ("fields", "status", "name"),
    [
        ({}, 400, "bad_request"),
        ({"prompt": "a", "steps": "30"}, 400, "bad_request"),
        ({"prompt": "a", "aspect_ratio": "4:3"}, 400, "bad_request"),
        ({"prompt": "a", "seed": "4294967295"}, 400, "bad_request"),
        ({"prompt": "a" * 10_001}, 400, "bad_request"),
        ({"prompt": "湖"}, 422, "invalid_language"),
    ],
)
def test_it_refuses_what_the_vendor_refuses(vendors, fields, status, name):
    files = {field: (None, value) for field, value in fields.items()} or {"style_preset": (None, "anime")}
    path = "/v2beta/stable-image/generate/core"
    told = ask(vendors, "POST", path, files=files)
    assert (told.status_code, told.json()["name"]) == (status, name)
    assert schemas.answer_trouble("stability", "POST", path, status, told.json()) == []


def test_it_takes_no_json_where_the_vendor_takes_forms(vendors):
    told = ask(vendors, "POST", "/v2beta/stable-image/generate/core", json={"prompt": "a lake"})
    assert (told.status_code, told.json()["name"]) == (400, "bad_request")
