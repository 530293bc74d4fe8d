"""Midjourney's gateways, against the simulator: none of them has a client of its own."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
import requests
from PIL import Image

from providers import webhooks
from providers.adapters.midjourney import Midjourney, prompt_of
from providers.exceptions import RateLimited, Rejected, Unauthorised, Unknown
from providers.pictures import shaped
from providers.types import Accepted, Capability, Failed, Finished, Request, Running
from tests.providers.recorded import adapter_at, playing
from tests.providers.speaking import adapter_for, made, until_over
from tests.simulator.receiver import receiver


@pytest.fixture
def gateway(vendors, tmp_path):
    return adapter_for(vendors, "midjourney", tmp_path)


@pytest.fixture
def picture():
    return Request(
        capability=Capability.IMAGE,
        offer="v7",
        prompt="harbour at dawn",
        width=1920,
        height=1080,
        seed=5,
        takes=4,
        tag="a" * 32,
    )


# -- pictures --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_job_is_a_grid_of_four_pictures(vendors, gateway, picture):
    answer = made(gateway, picture)
    assert isinstance(answer, Finished)
    assert answer.units == {"calls": 1, "images": 4} == gateway.most_units(picture)
    (grid,) = answer.outputs
    assert grid.quarters
    whole = requests.get(grid.url, timeout=5).content
    assert Image.open(io.BytesIO(whole)).size == (2720, 1536)
    assert [Image.open(io.BytesIO(part)).size for part in shaped(whole, 1280, 720, quarters=True)] == [(1280, 720)] * 4
    assert re.search(r"&ex=[0-9a-f]+&is=[0-9a-f]+&hm=[0-9a-f]{64}", grid.url)
    (bill,) = vendors.books("midjourney")["bills"]
    assert (bill["tag"], bill["amount_micro"]) == (picture.tag, 50_000)


def test_single_pictures_are_taken_where_the_gateway_gives_them(vendors, gateway, picture):
    vendors.control("midjourney", account={"dialect": "trueai"})
    answer = made(gateway, picture)
    assert [output.quarters for output in answer.outputs] == [False] * 4
    files = [requests.get(output.url, timeout=5).content for output in answer.outputs]
    assert len(set(files)) == 4
    assert Image.open(io.BytesIO(files[0])).size == (1360, 768)


def test_what_midjourney_declines_ends_as_moderated(vendors, gateway, picture):
    vendors.control("midjourney", next=["moderated"])
    answer = made(gateway, picture)
    assert (answer.moderated, answer.billed) == (True, False)


def test_what_the_gateway_declines_is_moderated_at_once(vendors, gateway, picture):
    with pytest.raises(Rejected, match="“gore”") as caught:
        gateway.submit(replace(picture, prompt="much gore here"))
    assert caught.value.moderated
    assert vendors.books("midjourney")["bills"] == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("[Invalid parameter] --ar16:9", "parameter"),
        ("[Credits exhausted] no hours left", "fast hours"),
        ("[Action needed to continue] look here", "person"),
        ("[Something new] it broke", "it broke"),
    ],
)
def test_a_failure_says_why(vendors, gateway, picture, said, reason):
    vendors.control("midjourney", next=["fail_job"], account={"fail_reason": said})
    answer = made(gateway, picture)
    assert isinstance(answer, Failed)
    assert not answer.moderated
    assert reason in answer.reason


@pytest.mark.slow
def test_a_job_that_never_ends_is_given_up_by_the_gateway(vendors, gateway, picture):
    vendors.control("midjourney", next=["stuck"])
    assert "gave up" in made(gateway, picture).reason


def test_three_run_ten_wait_and_one_more_is_refused(vendors, gateway, picture):
    vendors.control("midjourney", latency_s=[3000, 3000])
    jobs = [gateway.submit(replace(picture, tag=f"{number:032x}")).external_id for number in range(13)]
    with pytest.raises(RateLimited) as caught:
        gateway.submit(picture)
    assert caught.value.retry_after_s == 45.0
    assert gateway.poll(jobs[-1]) == Running(progress=0.0)
    assert vendors.books("midjourney")["vendors"]["midjourney"]["accepted"] == 13


def test_several_jobs_are_asked_about_in_one_call(vendors, gateway, picture):
    jobs = [gateway.submit(replace(picture, tag=f"{number:032x}")).external_id for number in range(3)]
    for job in jobs:
        until_over(gateway, job)
    told = gateway.poll_many([*jobs, "1763632800999999"])
    assert list(told) == jobs
    assert all(isinstance(answer, Finished) for answer in told.values())


def test_one_that_makes_no_sense_spoils_no_other(tmp_path):
    tasks = [{"id": "1", "status": "SUCCESS"}, {"id": "2", "status": "SUBMITTED"}, None, {"status": "SUBMITTED"}]
    with playing([{"body": tasks}]) as recorder:
        told = adapter_at(Midjourney, recorder.url, tmp_path).poll_many(["1", "2"])
    assert told == {"2": Running()}


def test_a_gateway_that_forgot_says_nothing_about_a_job(vendors, gateway, picture):
    job = gateway.submit(picture).external_id
    vendors.control("midjourney", account={"amnesia": True})
    with pytest.raises(Unknown, match="does not know"):
        gateway.poll(job)
    assert gateway.poll_many([job]) == {}
    assert gateway.find(picture.tag) is None


# -- the gateway -----------------------------------------------------------------------------------


def test_it_is_off_until_an_admin_turns_it_on():
    assert "forbid" in Midjourney.off_because
    assert "Discord token" in Midjourney.off_because


def test_without_a_gateway_nothing_is_sent(tmp_path, picture):
    adapter = Midjourney(workdir=tmp_path / "work", key="a-key")
    for call in (lambda: adapter.submit(picture), lambda: adapter.poll("1"), lambda: adapter.find("a")):
        with pytest.raises(Rejected, match="VIDBATCH_URL_MIDJOURNEY"):
            call()


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ({}, "mj-api-secret", "a-key"),
        ({"header": "Authorization"}, "Authorization", "Bearer a-key"),
        ({"header": "X-Api-Key"}, "X-Api-Key", "a-key"),
    ],
)
def test_the_secret_goes_into_the_header_that_is_named(tmp_path, options, name, value):
    adapter = Midjourney(workdir=tmp_path / "work", base_url="https://gateway.example", key="a-key", options=options)
    assert adapter.headers() == {name: value}


def test_a_gateway_may_ask_for_no_secret(tmp_path):
    assert not Midjourney.needs_key
    assert Midjourney(workdir=tmp_path / "work", base_url="https://gateway.example").headers() == {}


def test_either_header_is_taken(vendors, tmp_path, picture):
    bearer = adapter_for(vendors, "midjourney", tmp_path, options={"header": "Authorization"})
    assert isinstance(bearer.submit(picture), Accepted)


def test_a_wrong_secret_is_the_account_s_trouble(vendors, tmp_path, picture):
    with pytest.raises(Unauthorised):
        adapter_for(vendors, "midjourney", tmp_path, key="bad").submit(picture)


def test_hosts_of_pictures_are_discord_s_and_those_an_admin_names(tmp_path):
    options = {"output_hosts": "cdn.gateway.example pictures.example"}
    adapter = Midjourney(workdir=tmp_path / "work", options=options)
    assert adapter.output_hosts == (*Midjourney.output_hosts, "cdn.gateway.example", "pictures.example")


# -- lost answers ----------------------------------------------------------------------------------


def test_a_lost_answer_is_found_by_its_tag(vendors, gateway, picture):
    gateway.submit(replace(picture, tag="b" * 32))
    vendors.control("midjourney", next=["lose_after_accept"])
    with pytest.raises(Unknown):
        gateway.submit(picture)
    found = gateway.find(picture.tag)
    assert isinstance(until_over(gateway, found), Finished)
    assert gateway.find("c" * 32) is None


def a_list(count, hours):
    step_ms = hours * 3_600_000 / count
    return [{"id": str(n), "state": f"{n:x}", "submitTime": 1763632800000 - n * step_ms} for n in range(count)]


@pytest.mark.parametrize(("count", "hours"), [(99, 1), (100, 3), (250, 1)])
def test_a_list_that_reaches_back_far_enough_proves_that_it_was_not_sent(tmp_path, count, hours):
    with playing([{"body": a_list(count, hours)}]) as recorder:
        assert adapter_at(Midjourney, recorder.url, tmp_path).find("f" * 32) is None


def test_a_list_that_was_cut_off_proves_nothing(tmp_path):
    with playing([{"body": a_list(100, 1)}]) as recorder, pytest.raises(Unknown, match="latest 100"):
        adapter_at(Midjourney, recorder.url, tmp_path).find("f" * 32)


# -- callbacks -------------------------------------------------------------------------------------


def test_it_calls_the_address_of_the_job_and_signs_nothing(vendors, gateway, picture):
    with receiver() as place:
        job = gateway.submit(replace(picture, callback_url=place.url)).external_id
        bodies = place.wait_for(2)
    assert [body["status"] for body in bodies] == ["IN_PROGRESS", "SUCCESS"]
    assert {body["id"] for body in bodies} == {job}
    assert not [name for headers, _ in place.got for name in headers if "webhook" in name]


def test_an_address_without_proof_is_refused(rf):
    """There is no secret: only the address that was made for a job counts."""
    assert not Midjourney.webhook_secret_env
    bare = rf.post("/webhooks/midjourney/", b"{}", content_type="application/json")
    assert webhooks.receive(bare, "midjourney").status_code == 401
    guessed = rf.post("/webhooks/midjourney/aa/bb/", b"{}", content_type="application/json")
    assert webhooks.receive(guessed, "midjourney", "aa", "bb").status_code == 401


# -- prompts ---------------------------------------------------------------------------------------


def test_midjourney_s_parameters_stand_at_the_end(picture):
    assert prompt_of(picture, {}) == "harbour at dawn --ar 16:9 --seed 5 --v 7"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("a lake --ar 1:1", "a lake --ar 1:1 --seed 5 --v 7"),
        ("a lake --aspect 1:1 --seed 9", "a lake --aspect 1:1 --seed 9 --v 7"),
        ("a lake --niji 6", "a lake --niji 6 --ar 16:9 --seed 5"),
        ("a lake\n\nat  dawn", "a lake at dawn --ar 16:9 --seed 5 --v 7"),
        ("a well-known lake -- calm", "a well-known lake -- calm --ar 16:9 --seed 5 --v 7"),
    ],
)
def test_parameters_that_a_prompt_has_stay(picture, given, sent):
    assert prompt_of(replace(picture, prompt=given), {}) == sent


@pytest.mark.parametrize(
    ("offer", "end"), [("v7", "--v 7"), ("v6.1", "--v 6.1"), ("niji6", "--niji 6"), ("any", "--seed 5")]
)
def test_the_offer_is_the_version(picture, offer, end):
    assert prompt_of(replace(picture, offer=offer), {}).endswith(end)


def test_without_a_size_no_ratio_is_asked_for(picture):
    assert prompt_of(replace(picture, width=0, height=0), {}) == "harbour at dawn --seed 5 --v 7"


def test_an_admin_s_parameters_go_into_the_prompt_and_fields_into_the_body(tmp_path, picture):
    own = {"--stylize": 250, "--raw": "", "--r": 4, "botType": "MID_JOURNEY"}
    with playing([{"body": {"code": 1, "result": "1"}}]) as recorder:
        adapter_at(Midjourney, recorder.url, tmp_path).submit(replace(picture, extra={"vendor": own}))
    assert recorder.asked[0].json() == {
        "prompt": "harbour at dawn --stylize 250 --raw --ar 16:9 --seed 5 --v 7",
        "state": "a" * 32,
        "botType": "MID_JOURNEY",
    }


@pytest.mark.parametrize("prompt", ["a {red, blue} lake", "a {red} lake", "a lake } here"])
def test_choices_in_braces_are_refused_before_sending(vendors, gateway, picture, prompt):
    with pytest.raises(Rejected, match="every choice"):
        gateway.submit(replace(picture, prompt=prompt))
    assert vendors.books("midjourney")["requests"] == []


def test_repeats_never_reach_the_gateway(vendors, gateway, picture):
    made(gateway, replace(picture, prompt="a lake --repeat 40"))
    (bill,) = vendors.books("midjourney")["bills"]
    assert bill["amount_micro"] == 50_000
