"""Quotas as a client meets them over HTTP: each manner of counting, what is told, and the figures afterwards."""

import io
import itertools
import json
import socket
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
import requests
from PIL import Image

from tests.simulator.process import simulator

pytestmark = pytest.mark.slow

numbers = itertools.count()
STUCK = {"latency_s": [9e9, 9e9]}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("books") / "books.sqlite", scale=60) as running:
        yield running


@pytest.fixture
def sim(shared):
    """The shared process, and a vendor of this test's own in it."""
    shared.vendor = f"vendor{next(numbers)}"
    shared.control(shared.vendor, latency_s=[0, 0])
    return shared


def post(sim, path="texts", **body):
    return sim.http.post(f"{sim.url}/{sim.vendor}/v1/{path}", json={"prompt": "a lake", **body}, timeout=10)


def get(sim, path):
    return sim.http.get(f"{sim.url}/{sim.vendor}/v1/{path}", timeout=10).json()


def codes(sim, count, **body):
    return [post(sim, **body).status_code for _ in range(count)]


# -- manners of counting ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "let_in"),
    [({"policy": "fixed"}, 4), ({"policy": "bucket", "capacity": 3}, 3), ({"policy": "sliced", "slice_s": 3000}, 2)],
)
def test_the_policy_of_a_vendor_decides_how_many_come_in_at_once(sim, kind, let_in):
    sim.control(sim.vendor, limits=[{"requests": 4, "per_s": 6000}], **kind)
    assert codes(sim, 6).count(200) in (let_in, 2 * let_in)  # twice when a window begins in between
    window = sim.summary(sim.vendor)["windows"][0]
    assert (window["policy"], window["most"]) == (kind["policy"], window["allowed"])


@pytest.mark.parametrize(("unit", "prompt"), [("characters", "abcdefghij"), ("images", "x"), ("tokens", "x")])
def test_other_units_have_limits_too(sim, unit, prompt):
    each = {"characters": 10, "images": 1, "tokens": 401}[unit]
    sim.control(sim.vendor, limits=[{unit: 2 * each, "per_s": 6000}])
    kind = "images" if unit == "images" else "texts"
    assert codes(sim, 3, path=kind, prompt=prompt) == [200, 200, 429]
    assert sim.summary(sim.vendor)["windows"][0]["used"] == 2 * each


def test_tokens_are_reserved_with_the_longest_answer_and_the_answer_tells_what_was_used(sim):
    sim.control(sim.vendor, limits=[{"tokens": 2000, "per_s": 6000}])
    said = {"input_tokens": 100, "max_tokens": 900, "output_tokens": 50}
    first = post(sim, **said)
    assert first.json()["units"] == {"input_tokens": 100, "output_tokens": 50}
    assert codes(sim, 2, **said) == [200, 429]


@pytest.mark.parametrize(("manner", "let_in"), [("reserved", 2), ("settled", 9), ("actual", 13)])
def test_unused_tokens_come_back_only_where_the_vendor_counts_so(sim, manner, let_in):
    sim.control(sim.vendor, limits=[{"tokens": 2000, "per_s": 6000}], tokens_counted=manner)
    assert codes(sim, 15, input_tokens=100, max_tokens=700, output_tokens=50).count(200) == let_in


def test_the_vendors_tokens_differ_from_a_guess_and_are_the_same_for_the_same_prompt(sim):
    sim.control(sim.vendor, token_factor=[0.7, 1.3])
    read = [post(sim, prompt=prompt * 1000).json()["units"]["input_tokens"] for prompt in ("abc", "xyz", "abc")]
    assert read[0] == read[2] != read[1]
    assert all(525 <= tokens <= 977 for tokens in read)


def test_a_lockout_refuses_what_would_have_had_a_place_and_outlasts_a_restart_of_the_vendor(tmp_path):
    with simulator(tmp_path / "books.sqlite", scale=60) as sim:
        sim.vendor = "instant"
        sim.control("instant", limits=[{"requests": 1, "per_s": 6}], lockout_s=600, latency_s=[0, 0])
        assert codes(sim, 2) == [200, 429]
        sim.kill()
        sim.start()
        time.sleep(0.11)  # the window's own place is free again
        locked = post(sim)
        assert (locked.status_code, 9 < float(locked.headers["Retry-After"]) < 10) == (429, True)
        assert sim.summary("instant")["refusals"] == {"429 window": 1, "429 lockout": 1}


def test_above_its_concurrency_a_vendor_may_queue_by_itself(sim):
    sim.control(sim.vendor, concurrency=2, over_concurrency="throttle", latency_s=[6000, 6000])
    jobs = [post(sim, "jobs", kind="image").json() for _ in range(4)]
    assert [get(sim, f"jobs/{job['id']}")["status"] for job in jobs] == ["running", "running", "throttled", "throttled"]
    lives = sim.summary(sim.vendor)["jobs"]
    assert [round(life["done_at"] - lives[0]["accepted_at"]) for life in lives] == [100, 100, 200, 200]
    assert sim.summary(sim.vendor)["high_water"] == 2


def test_a_job_that_waits_at_the_vendor_may_be_called_queued(sim):
    sim.control(sim.vendor, concurrency=1, over_concurrency="throttle", waiting_word="queued", **STUCK)
    jobs = [post(sim, "jobs", kind="image").json()["id"] for _ in range(2)]
    assert [get(sim, f"jobs/{job}")["status"] for job in jobs] == ["running", "queued"]
    assert sim.summary(sim.vendor)["jobs"][1]["seen_at"] is None


def test_a_cancelled_job_lets_the_next_in_the_vendors_queue_start(sim):
    sim.control(sim.vendor, concurrency=1, over_concurrency="throttle", latency_s=[6000, 6000])
    first, second, third = (post(sim, "jobs", kind="image").json()["id"] for _ in range(3))
    sim.http.delete(f"{sim.url}/{sim.vendor}/v1/jobs/{first}", timeout=10)
    assert [get(sim, f"jobs/{job}")["status"] for job in (second, third)] == ["running", "throttled"]
    lives = {life["id"]: life for life in sim.summary(sim.vendor)["jobs"]}
    assert lives[third]["starts_at"] == pytest.approx(lives[second]["done_at"], abs=0.001)


# -- what is told ----------------------------------------------------------------------------------


def test_headers_tell_limits_only_when_asked_to(sim):
    sim.control(sim.vendor, limits=[{"requests": 3, "per_s": 600}, {"tokens": 9000, "per_s": 60}])
    assert not [name for name in post(sim).headers if name.startswith("x-ratelimit")]
    sim.control(sim.vendor, tell_headers=True)
    told = post(sim).headers
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("3", "1")
    assert (told["x-ratelimit-limit-tokens"], told["x-ratelimit-remaining-tokens"]) == ("9000", "8196")
    assert told["x-ratelimit-reset-requests"] in ("10s", "9.999s", "9.998s", "9.997s", "9.996s", "9.995s")
    assert told["x-ratelimit-reset-tokens"].endswith("ms") or told["x-ratelimit-reset-tokens"] == "1s"
    post(sim)
    refused = post(sim)
    assert (refused.status_code, refused.headers["x-ratelimit-remaining-requests"]) == (429, "0")


def test_resets_are_told_in_three_ways(sim):
    sim.control(sim.vendor, limits=[{"requests": 30, "per_s": 600}], tell_headers=True)
    told = {}
    for style in ("duration", "seconds", "date"):
        sim.control(sim.vendor, reset_style=style)
        told[style] = post(sim).headers["x-ratelimit-reset-requests"]
    assert (told["duration"], told["seconds"]) == ("10s", "10")
    assert 8 < (datetime.fromisoformat(told["date"]) - datetime.now(UTC)).total_seconds() <= 10


def test_headers_may_tell_nonsense(sim):
    sim.control(sim.vendor, limits=[{"requests": 30, "per_s": 600}], tell_headers="nonsense")
    told = {post(sim).headers["x-ratelimit-remaining-requests"] for _ in range(20)}
    assert len(told) > 2
    assert not [word for word in told if word.isdigit()]


def test_how_long_to_wait_is_told_in_five_ways(sim):
    def refused(manner):
        sim.control(sim.vendor, limits=[{"requests": 1, "per_s": 600}], retry_after=manner)
        answers = [post(sim) for _ in range(2)]
        return answers[-1].headers.get("Retry-After", ""), answers[-1].json()["error"]["message"]

    assert 9 < float(refused("exact")[0]) <= 10.002
    assert refused("seconds")[0] == "10"
    moment = parsedate_to_datetime(refused("date")[0])
    assert 8 < (moment - datetime.now(UTC)).total_seconds() <= 11
    assert refused("body")[0] == ""
    assert "try again in 9." in refused("body")[1]
    assert refused("none") == ("", "rate limited")


@pytest.mark.parametrize(
    "order",
    [
        {"policy": "leaky"},
        {"limits": [{"requests": 0, "per_s": 60}]},
        {"limits": [{"requests": 5, "per_s": -1}]},
        {"limits": [{"videos": 5, "per_s": 60}]},
        {"limits": [{"requests": 5, "tokens": 5, "per_s": 60}]},
        {"limits": [{"requests": 5, "per_s": 60, "burst": 3}]},
        {"over_concurrency": "explode"},
        {"tell_headers": "loudly"},
    ],
)
def test_a_limit_that_means_nothing_is_refused_and_changes_nothing(sim, order):
    with pytest.raises(ValueError, match="there are"):
        sim.control(sim.vendor, **order)
    assert codes(sim, 3) == [200, 200, 200]


def test_latencies_may_have_long_tails(sim):
    sim.control(sim.vendor, latency_s=[60, 240], latency_shape="lognormal")
    for _ in range(200):
        post(sim, "jobs", kind="image")
    took = sorted(life["done_at"] - life["accepted_at"] for life in sim.summary(sim.vendor)["jobs"])
    assert 0.8 < sum(1 <= seconds <= 4 for seconds in took) / 200 < 0.97
    assert took[0] < 1 < 4 < took[-1]
    assert 1.7 < took[100] < 2.4


# -- figures ---------------------------------------------------------------------------------------


def test_one_call_looks_at_many_jobs_and_counts_as_one_poll_of_each(sim):
    jobs = [post(sim, "jobs", kind="image").json()["id"] for _ in range(3)]
    sim.control(sim.vendor, **STUCK)
    jobs.append(post(sim, "jobs", kind="image").json()["id"])
    told = get(sim, f"jobs?ids={','.join([*jobs[::-1], 'nobody'])}")["jobs"]
    assert [(job["id"], job["status"]) for job in told] == [
        (jobs[3], "running"),
        *((job, "succeeded") for job in (jobs[2], jobs[1], jobs[0])),
    ]
    assert told[1]["output"][0]["url"].startswith(sim.url)
    assert "output" not in told[0]
    get(sim, f"jobs/{jobs[3]}")
    assert [life["polls"] for life in sim.summary(sim.vendor)["jobs"]] == [1, 1, 1, 2]
    assert len([r for r in sim.books(sim.vendor)["requests"] if r["method"] == "GET"]) == 2


def test_the_summary_knows_when_a_job_was_over_and_when_the_client_first_knew(sim):
    sim.control(sim.vendor, latency_s=[6, 6])
    job = post(sim, "jobs", kind="image").json()["id"]
    assert get(sim, f"jobs/{job}")["status"] == "running"
    time.sleep(0.15)
    get(sim, f"jobs/{job}")
    get(sim, f"jobs/{job}")
    life = sim.summary(sim.vendor)["jobs"][0]
    assert life["done_at"] - life["accepted_at"] == pytest.approx(0.1, abs=0.001)
    assert 0.03 < life["seen_at"] - life["done_at"] < 0.5
    assert life["polls"] == 3


def test_utilisation_is_of_what_anybody_could_have_had(sim):
    sim.control(sim.vendor, limits=[{"requests": 4, "per_s": 12}])
    for _ in range(2):
        assert codes(sim, 5) == [200] * 4 + [429]
        time.sleep(0.21)
    figures = sim.summary(sim.vendor)
    assert figures["windows"][0]["utilisation"] == 1.0
    assert (figures["accepted"], figures["refused"], figures["windows"][0]["most"]) == (8, 2, 4)
    assert 0.2 < figures["last_accepted_at"] - figures["first_accepted_at"] < 0.4


def test_a_fresh_vendor_has_forgotten_everything(sim):
    sim.control(sim.vendor, limits=[{"requests": 1, "per_s": 6000}])
    assert codes(sim, 2) == [200, 429]
    sim.control(sim.vendor, fresh=True)
    assert sim.summary(sim.vendor)["requests"] == 0
    assert codes(sim, 1) == [200]


@pytest.mark.ffmpeg
def test_tiny_files_are_valid_and_each_has_its_own_bytes(sim):
    sim.control(sim.vendor, media="tiny", answers="url")
    urls = [post(sim, "images", width=1920, height=1080).json()["output"][0]["url"] for _ in range(2)]
    first, second = (sim.http.get(url, timeout=10).content for url in urls)
    assert first != second
    assert Image.open(io.BytesIO(first)).size == (64, 64)
    clip = sim.http.get(post(sim, "clips", seconds=20).json()["output"][0]["url"], timeout=10).content
    assert clip[4:8] == b"ftyp"
    assert len(clip) < 20_000
    assert len(json.loads(post(sim, scenes=40).json()["output"][0]["text"])["scenes"]) == 2


# -- the clock -------------------------------------------------------------------------------------


def test_requests_are_judged_when_they_arrive_even_while_the_vendor_is_busy(tmp_path):
    """A request that waits in the socket behind heavy work is stamped with its own time, not with that of its turn."""
    with simulator(tmp_path / "books.sqlite", scale=1.0) as sim:
        sim.vendor = "instant"
        sim.control("instant", latency_s=[0, 0])
        sent = []
        for _ in range(20):
            sent.append(time.time())
            assert post(sim).ok
            time.sleep(0.01)
        judged = [row["at"] for row in sim.books("instant")["requests"]]
        late = sorted(at - moment for at, moment in zip(judged, sent, strict=True))
        assert late[0] >= 0
        assert late[len(late) // 2] < 0.005


def test_jitter_delays_the_judgement_by_at_most_so_much(tmp_path):
    with simulator(tmp_path / "books.sqlite", scale=1.0) as sim:
        sim.vendor = "instant"
        sim.control("instant", latency_s=[0, 0], jitter_ms=60)
        late = []
        for _ in range(12):
            sent = time.time()
            assert post(sim).ok
            late.append((sent, time.time()))
        judged = [row["at"] for row in sim.books("instant")["requests"]]
        waits = [at - sent for at, (sent, _) in zip(judged, late, strict=True)]
        assert max(waits) > 0.015
        assert sum(waits) / len(waits) < 0.06


def test_several_requests_in_one_packet_are_all_answered(sim):
    body = b'{"prompt": "a"}'
    head = f"POST /{sim.vendor}/v1/texts HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", sim.port)) as wire:
        wire.sendall((head + body) * 3)
        seen = b""
        while seen.count(b"HTTP/1.1 200") < 3:
            seen += wire.recv(65536)
    assert requests.get(f"{sim.url}/summary", params={"vendor": sim.vendor}, timeout=5).json()["accepted"] == 3


def test_a_client_that_asks_to_close_is_told_by_closing(sim):
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        seen = b""
        while part := wire.recv(65536):
            seen += part
    assert b"/control" in seen


@pytest.mark.parametrize("words", [b"HELO mail\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n"])
def test_whoever_speaks_no_http_is_hung_up_on(sim, words):
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as wire:
        wire.sendall(words)
        assert wire.recv(10) == b""
    assert post(sim).ok
