"""Every fault, by order and by rate: what the client sees, and what the books say was taken."""

import io
import itertools
import time

import pytest
import requests
from PIL import Image

from tests.simulator.process import simulator
from tests.simulator.settings import AFTER, BEFORE, SUBMIT_FAULTS

pytestmark = pytest.mark.slow

numbers = itertools.count()
NO_ANSWER = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("books") / "books.sqlite", scale=60) as running:
        yield running


@pytest.fixture
def sim(shared):
    """The shared process, and a vendor of this test's own in it."""
    shared.vendor = f"vendor{next(numbers)}"
    shared.control(shared.vendor, latency_s=[0, 0], price_micro=7, hang_s=3, drip_s=12)
    return shared


def post(sim, path, **body):
    return sim.http.post(f"{sim.url}/{sim.vendor}/v1/{path}", json={"prompt": "a lake", **body}, timeout=10)


def get(sim, path):
    return sim.http.get(f"{sim.url}/{sim.vendor}/v1/{path}", timeout=10)


def polled(sim, **body):
    return get(sim, "jobs/" + post(sim, "jobs", **{"kind": "image", **body}).json()["id"]).json()


def a_link(sim):
    return polled(sim)["output"][0]["url"]


def billed(sim):
    return sim.books(sim.vendor)["vendors"].get(sim.vendor, {"billed_micro": 0})["billed_micro"]


# -- submits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["texts", "jobs"])
@pytest.mark.parametrize("fault", sorted([*BEFORE, *AFTER]))
def test_before_or_after_acceptance_is_a_matter_of_the_bill(sim, path, fault):
    sim.control(sim.vendor, next=[fault])
    try:
        answer = post(sim, path, kind="text")
    except NO_ANSWER:
        assert fault.split("_")[0] in ("lose", "reset", "hang", "cut")
    else:
        expected = BEFORE.get(fault) or (int(fault[:3]) if fault[0].isdigit() else answer.status_code)
        assert answer.status_code == expected
        assert fault.split("_")[0] not in ("lose", "reset", "hang", "cut")
    assert billed(sim) == (7 if fault in AFTER else 0)


def test_a_hanging_connection_hangs_as_long_as_told(sim):
    sim.control(sim.vendor, next=["hang_before_accept"], hang_s=18)
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        post(sim, "texts")
    assert 0.3 <= time.monotonic() - started < 3


def test_a_slow_answer_trickles_and_then_comes_at_once(sim):
    sim.control(sim.vendor, next=["slow_answer"], drip_bytes_s=1, drip_s=24)
    started = time.monotonic()
    assert post(sim, "texts").json()["id"]
    assert 0.4 <= time.monotonic() - started < 3


def test_a_tail_makes_some_jobs_many_times_slower(sim):
    sim.control(sim.vendor, latency_s=[60, 60], next=["tail"] * 20)
    for _ in range(20):
        post(sim, "jobs", kind="image")
    times = [life["done_at"] - life["accepted_at"] for life in sim.summary(sim.vendor)["jobs"]]
    assert 2 <= min(times) < 3.5 < max(times) <= 20


def test_a_dear_job_counts_and_costs_twice(sim):
    sim.control(sim.vendor, next=["dear"])
    assert polled(sim)["units"] == {"images": 2}
    assert billed(sim) == 14


def test_some_words_in_a_prompt_are_declined(sim):
    sim.control(sim.vendor, moderated_words=["weapon"])
    assert post(sim, "images", prompt="A Weapon at a lake").status_code == 422
    assert polled(sim, prompt="weapons")["error"]["code"] == "SAFETY"
    assert post(sim, "images").ok
    assert billed(sim) == 7


def test_an_end_with_a_word_that_nobody_knows(sim):
    sim.control(sim.vendor, next=["unknown_end"])
    told = polled(sim)
    assert (told["status"], "output" in told) == ("distilled", False)


def test_every_fault_can_be_set_by_rate(sim):
    sim.control(sim.vendor, rates=dict.fromkeys(SUBMIT_FAULTS, 0.01), hang_s=0, drip_s=0)
    for _ in range(100):
        try:
            post(sim, "jobs", kind="image")
        except NO_ANSWER:
            continue
    verdicts = sim.books(sim.vendor)["vendors"][sim.vendor]["verdicts"]
    assert len(verdicts) > 4
    assert 50 < verdicts["accepted"] < 100


# -- looks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lose", "reset", "hang", "cut"])
def test_a_look_may_get_no_answer(sim, fault):
    sim.control(sim.vendor, next_get=[fault])
    with pytest.raises(NO_ANSWER):
        get(sim, "jobs")
    assert get(sim, "jobs").ok


def test_looks_fail_by_rate_and_calm_ends_it(sim):
    sim.control(sim.vendor, get_rates={"500": 0.3, "429": 0.3})
    assert {get(sim, "jobs").status_code for _ in range(40)} == {200, 429, 500}
    sim.control(sim.vendor, calm=True)
    assert {get(sim, "jobs").status_code for _ in range(10)} == {200}


def test_listings_come_in_pages(sim):
    sim.control(sim.vendor, page_size=2)
    made = [post(sim, "jobs", kind="image").json()["id"] for _ in range(5)]
    found, cursor, pages = [], "", 0
    while cursor is not None:
        page = get(sim, f"jobs?after={cursor}&created_after=0").json()
        found, cursor, pages = [*found, *(job["id"] for job in page["jobs"])], page["next"], pages + 1
    assert (found, pages) == (made, 3)


def test_a_listing_may_miss_the_newest(sim):
    made = [post(sim, "jobs", kind="image").json()["id"] for _ in range(2)]
    sim.control(sim.vendor, next_get=["list_miss"])
    assert [[job["id"] for job in get(sim, "jobs").json()["jobs"]] for _ in range(2)] == [made[:1], made]


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "media_type"),
    [
        ("missing_file", 404, "application/json"),
        ("empty_file", 200, "image/png"),
        ("html_file", 200, "text/html"),
        ("redirected_file", 302, "application/json"),
    ],
)
def test_a_file_is_there_the_second_time(sim, fault, status, media_type):
    sim.control(sim.vendor, next=[fault])
    url = a_link(sim)
    answer = sim.http.get(url, timeout=10, allow_redirects=False)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, media_type)
    if fault == "redirected_file":
        assert answer.headers["Location"].startswith("http://10.")
    Image.open(io.BytesIO(sim.http.get(url, timeout=10).content)).load()


def test_an_endless_file_goes_on_until_the_client_has_had_enough(sim):
    sim.control(sim.vendor, next=["endless_file"])
    with sim.http.get(a_link(sim), timeout=10, stream=True) as answer:
        assert "Content-Length" not in answer.headers
        got = 0
        for block in answer.iter_content(65536):
            got += len(block)
            if got > 5_000_000:
                break
    assert got > 5_000_000
    assert post(sim, "texts").ok


def test_a_slow_file_comes_whole_at_last(sim):
    sim.control(sim.vendor, next=["slow_file"], drip_s=18)
    url, started = a_link(sim), time.monotonic()
    Image.open(io.BytesIO(sim.http.get(url, timeout=10).content)).load()
    assert time.monotonic() - started >= 0.3


def test_a_file_of_another_kind_stays_so(sim):
    sim.control(sim.vendor, next=["wrong_type"])
    url = a_link(sim)
    contents = {sim.http.get(url, timeout=10).content[:4] for _ in range(2)}
    assert contents == {b"RIFF"}


def test_links_live_for_a_while_and_a_new_look_gives_a_new_one(sim):
    sim.control(sim.vendor, link_life_s=12)
    job = post(sim, "jobs", kind="image").json()["id"]
    old = get(sim, f"jobs/{job}").json()["output"][0]["url"]
    assert sim.http.get(old, timeout=10).ok
    time.sleep(0.25)
    assert sim.http.get(old, timeout=10).status_code == 403
    assert sim.http.get(old.partition("?")[0], timeout=10).status_code == 403
    assert sim.http.get(get(sim, f"jobs/{job}").json()["output"][0]["url"], timeout=10).ok
