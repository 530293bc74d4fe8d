import io
import itertools
import json
import subprocess
import sys
import time
import wave
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from PIL import Image

from tests.simulator.process import ROOT, simulator

pytestmark = pytest.mark.slow

FAST = {"latency_s": [0, 0]}
numbers = itertools.count()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("books") / "books.sqlite", scale=60) as running:
        yield running


@pytest.fixture
def sim(shared):
    """The shared process, and a vendor of this test's own in it."""
    shared.vendor = f"vendor{next(numbers)}"
    shared.control(shared.vendor, **FAST)
    return shared


def post(sim, path, **body):
    return sim.http.post(f"{sim.url}/{sim.vendor}/v1/{path}", json={"prompt": "a lake", **body}, timeout=10)


def get(sim, path):
    return sim.http.get(f"{sim.url}/{sim.vendor}/v1/{path}", timeout=10)


def book(sim):
    return sim.books(sim.vendor)["vendors"][sim.vendor]


def is_lost(sim, path, **body):
    with pytest.raises(requests.ConnectionError):
        post(sim, path, **body)
    return True


# -- limits ----------------------------------------------------------------------------------------


def test_a_window_lets_in_its_number_and_says_when_to_come_back(sim):
    sim.control(sim.vendor, limits=[{"requests": 3, "per_s": 30}])
    answers = [post(sim, "images") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 0 < float(answers[3].headers["Retry-After"]) <= 0.502  # 30 virtual seconds
    assert (book(sim)["accepted"], book(sim)["over_limit"]) == (3, 2)
    assert book(sim)["windows"][0]["most"] == 3


def test_whoever_waits_as_told_is_let_in_again(sim):
    sim.control(sim.vendor, limits=[{"requests": 1, "per_s": 6}])
    post(sim, "images")
    wait_s = float(post(sim, "images").headers["Retry-After"])
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        pass
    assert post(sim, "images").status_code == 200


def test_many_at_once_get_no_more_than_the_window_has(sim):
    sim.control(sim.vendor, limits=[{"requests": 5, "per_s": 6000}])
    with ThreadPoolExecutor(12) as threads:
        codes = list(
            threads.map(lambda _: requests.post(f"{sim.url}/{sim.vendor}/v1/texts", json={}).status_code, range(24))
        )
    assert codes.count(200) == 5
    assert codes.count(429) == 19


def test_living_jobs_hold_places_until_they_are_over(sim):
    sim.control(sim.vendor, concurrency=2, latency_s=[9e9, 9e9])
    jobs = [post(sim, "jobs", kind="image") for _ in range(3)]
    assert [job.status_code for job in jobs] == [201, 201, 429]
    cancelled = sim.http.delete(f"{sim.url}/{sim.vendor}/v1/jobs/{jobs[0].json()['id']}", timeout=10)
    assert cancelled.json()["status"] == "cancelled"
    assert post(sim, "jobs", kind="image").status_code == 201
    assert (book(sim)["high_water"], book(sim)["verdicts"]["429 concurrency"]) == (2, 1)


# -- jobs and money --------------------------------------------------------------------------------


def test_a_job_is_queued_then_running_then_there(sim):
    sim.control(sim.vendor, queue_s=[9e9, 9e9])
    queued = post(sim, "jobs", kind="image").json()
    sim.control(sim.vendor, queue_s=[0, 0], latency_s=[9e9, 9e9])
    running = post(sim, "jobs", kind="image").json()
    sim.control(sim.vendor, latency_s=[0, 0])
    done = post(sim, "jobs", kind="image").json()
    told = [get(sim, f"jobs/{job['id']}").json() for job in (queued, running, done)]
    assert [job["status"] for job in told] == ["queued", "running", "succeeded"]
    assert "output" not in told[1]
    assert told[2]["output"][0]["url"].startswith(sim.url)


def test_each_accepted_job_is_billed_at_its_kinds_price(sim):
    sim.control(sim.vendor, price_micro={"image": 40_000, "clip": 250_000})
    post(sim, "jobs", kind="image", tag="a")
    post(sim, "jobs", kind="clip", tag="b")
    post(sim, "jobs", kind="image", tag="a")
    bills = sim.bills(sim.vendor)
    assert [bill["amount_micro"] for bill in bills["a"]] == [40_000, 40_000]
    assert [bill["amount_micro"] for bill in bills["b"]] == [250_000]
    assert book(sim)["billed_micro"] == 330_000


def test_what_failed_is_not_billed_unless_the_vendor_does_so(sim):
    sim.control(sim.vendor, price_micro=7, next=["fail_job"])
    failed = get(sim, "jobs/" + post(sim, "jobs", kind="image").json()["id"]).json()
    assert (failed["status"], failed["billed"], book(sim)["billed_micro"]) == ("failed", False, 0)
    sim.control(sim.vendor, bill_failed=True, next=["moderated"])
    declined = get(sim, "jobs/" + post(sim, "jobs", kind="image").json()["id"]).json()
    assert (declined["error"]["code"], declined["billed"], book(sim)["billed_micro"]) == ("SAFETY", True, 7)


def test_jobs_are_listed_by_tag_and_by_time(sim):
    before = time.time() - 1
    made = post(sim, "jobs", kind="image", tag="mine").json()
    post(sim, "jobs", kind="image", tag="other")
    assert [job["id"] for job in get(sim, "jobs?tag=mine").json()["jobs"]] == [made["id"]]
    assert len(get(sim, f"jobs?created_after={before}&created_before={before + 100}").json()["jobs"]) == 2
    assert get(sim, f"jobs?created_before={before}").json()["jobs"] == []
    assert before < made["created_at"] < time.time() + 1


def test_a_lagging_list_does_not_show_a_new_job_yet(sim):
    sim.control(sim.vendor, list_lag_s=9e9)
    post(sim, "jobs", kind="image", tag="mine")
    assert get(sim, "jobs?tag=mine").json()["jobs"] == []
    sim.control(sim.vendor, list_lag_s=0)
    assert len(get(sim, "jobs?tag=mine").json()["jobs"]) == 1


def test_the_same_key_is_the_same_job_and_one_bill(sim):
    sim.control(sim.vendor, dedupe=True, price_micro=5)
    url, headers = f"{sim.url}/{sim.vendor}/v1/images", {"Idempotency-Key": "k1"}
    ids = [sim.http.post(url, json={"prompt": "x"}, headers=headers, timeout=10).json()["id"] for _ in range(3)]
    assert len(set(ids)) == 1
    assert book(sim)["billed_micro"] == 5
    assert sim.http.post(url, json={"prompt": "y"}, headers=headers, timeout=10).status_code == 422


def test_a_vendor_without_keys_makes_a_second_job(sim):
    url, headers = f"{sim.url}/{sim.vendor}/v1/images", {"Idempotency-Key": "k1"}
    ids = {sim.http.post(url, json={}, headers=headers, timeout=10).json()["id"] for _ in range(2)}
    assert len(ids) == 2
    assert book(sim)["accepted"] == 2


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["images", "jobs"])
def test_an_answer_lost_after_acceptance_is_billed(sim, path):
    sim.control(sim.vendor, price_micro=9, next=["lose_after_accept"])
    assert is_lost(sim, path, kind="image", tag="t")
    assert [bill["amount_micro"] for bill in sim.bills(sim.vendor)["t"]] == [9]


@pytest.mark.parametrize("path", ["images", "jobs"])
def test_an_answer_lost_before_acceptance_is_not(sim, path):
    sim.control(sim.vendor, price_micro=9, next=["lose_before_accept"])
    assert is_lost(sim, path, kind="image")
    assert sim.bills(sim.vendor) == {}
    assert post(sim, path, kind="image").ok


@pytest.mark.parametrize(
    ("fault", "status", "accepted"),
    [
        ("500_before", 500, 0),
        ("503_before", 503, 0),
        ("500_after", 500, 1),
        ("504_after", 504, 1),
        ("429", 429, 0),
        ("400", 400, 0),
        ("401", 401, 0),
        ("402", 402, 0),
        ("garbage_after", 200, 1),
        ("no_id", 200, 1),
    ],
)
def test_a_queued_fault_happens_once_and_the_books_know_what_was_taken(sim, fault, status, accepted):
    sim.control(sim.vendor, next=[fault])
    assert post(sim, "texts").status_code == status
    assert book(sim)["accepted"] == accepted
    assert book(sim)["over_limit"] == 0
    assert post(sim, "texts").json()["id"]


def test_faults_by_rate_are_the_same_for_the_same_seed(tmp_path):
    seen = []
    for run in ("a", "b"):
        with simulator(tmp_path / f"{run}.sqlite", seed=7) as sim:
            sim.control("v", **FAST, rates={"500_after": 0.3, "429": 0.3})
            sim.vendor = "v"
            seen.append([post(sim, "texts").status_code for _ in range(30)])
    assert seen[0] == seen[1]
    assert set(seen[0]) == {200, 429, 500}


def test_a_status_word_nobody_knows_and_a_job_that_never_ends(sim):
    sim.control(sim.vendor, latency_s=[9e9, 9e9], next=["unknown_status", "stuck"])
    words = [get(sim, "jobs/" + post(sim, "jobs", kind="image").json()["id"]).json()["status"] for _ in range(2)]
    assert words == ["percolating", "running"]


def test_looking_can_fail_too(sim):
    sim.control(sim.vendor, next_get=["500", "429", "lose"])
    assert [get(sim, "jobs").status_code for _ in range(2)] == [500, 429]
    with pytest.raises(requests.ConnectionError):
        get(sim, "jobs")
    assert get(sim, "jobs").status_code == 200


def test_calm_ends_all_faults(sim):
    sim.control(sim.vendor, rates={"400": 1}, next=["401"], next_get=["500"])
    sim.control(sim.vendor, calm=True)
    assert post(sim, "texts").ok
    assert get(sim, "jobs").ok


def test_a_cut_file_comes_whole_the_second_time(sim):
    sim.control(sim.vendor, next=["cut_file"])
    url = get(sim, "jobs/" + post(sim, "jobs", kind="image").json()["id"]).json()["output"][0]["url"]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        sim.http.get(url, timeout=10)
    assert Image.open(io.BytesIO(sim.http.get(url, timeout=10).content)).size == (64, 64)


def test_a_link_expires_once_and_a_broken_file_stays_broken(sim):
    sim.control(sim.vendor, next=["expired_file", "broken_file"])
    jobs = [get(sim, "jobs/" + post(sim, "jobs", kind="image").json()["id"]).json() for _ in range(2)]
    expired, broken = (job["output"][0]["url"] for job in jobs)
    assert [sim.http.get(expired, timeout=10).status_code for _ in range(2)] == [403, 200]
    for _ in range(2):
        with pytest.raises(OSError):
            Image.open(io.BytesIO(sim.http.get(broken, timeout=10).content)).load()


@pytest.mark.parametrize(
    "order", [{"next": ["nonsense"]}, {"latency": 3}, {"rates": {"nonsense": 1}}, {"next_get": ["400"]}]
)
def test_an_order_that_is_not_understood_is_refused_with_what_there_is(sim, order):
    with pytest.raises(ValueError, match="there are"):
        sim.control(sim.vendor, **order)


# -- files -----------------------------------------------------------------------------------------


def test_pictures_have_the_size_asked_for_and_each_its_own_bytes(sim):
    sim.control(sim.vendor, answers="url")
    urls = [post(sim, "images", width=320, height=180).json()["output"][0]["url"] for _ in range(2)]
    first, second = (sim.http.get(url, timeout=10).content for url in urls)
    picture = Image.open(io.BytesIO(first))
    picture.load()
    assert picture.size == (320, 180)
    assert first != second
    assert sim.http.get(urls[0], timeout=10).content == first


def test_speech_is_as_long_as_asked(sim):
    url = post(sim, "speech", seconds=2.5).json()["output"][0]["url"]
    with wave.open(io.BytesIO(sim.http.get(url, timeout=10).content)) as sound:
        assert sound.getnframes() / sound.getframerate() == 2.5


@pytest.mark.ffmpeg
def test_a_clip_decodes_and_has_the_size_and_length_asked_for(sim, tmp_path):
    url = post(sim, "clips", width=128, height=72, seconds=1.5, fps=30).json()["output"][0]["url"]
    film = tmp_path / "clip.mp4"
    film.write_bytes(sim.http.get(url, timeout=10).content)
    fields = "stream=width,height,nb_read_frames"
    probe = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", fields, "-of", "csv=p=0", str(film)]
    assert subprocess.run(probe, capture_output=True, text=True, check=True).stdout.strip() == "128,72,45"


def test_a_script_has_its_scenes_and_moderation_flags_a_word(sim):
    script = json.loads(post(sim, "texts", scenes=3, seconds=15).json()["output"][0]["text"])
    assert set(script) == {"title", "hook", "description", "hashtags", "scenes"}
    assert [scene["hero"] for scene in script["scenes"]] == [True, False, False]
    assert set(script["scenes"][0]) == {"narration", "visual_prompt", "seconds", "hero"}
    flagged = [
        json.loads(post(sim, "moderations", prompt=text).json()["output"][0]["text"])["flagged"]
        for text in ("fine", "Forbidden")
    ]
    assert flagged == [False, True]


# -- the process -----------------------------------------------------------------------------------


def test_the_books_and_settings_survive_a_kill(tmp_path):
    with simulator(tmp_path / "books.sqlite") as sim:
        sim.vendor = "jobs"
        sim.control("jobs", price_micro=3, limits=[{"requests": 2, "per_s": 6000}], latency_s=[9e9, 9e9])
        first = post(sim, "jobs", kind="image", tag="t").json()
        sim.kill()
        sim.start()
        assert get(sim, f"jobs/{first['id']}").json()["status"] == "running"
        assert [bill["amount_micro"] for bill in sim.bills()["t"]] == [3]
        assert [post(sim, "jobs", kind="image").status_code for _ in range(2)] == [201, 429]


def test_it_ends_with_the_process_that_started_it(tmp_path):
    lines = f"""
import os, sys
from pathlib import Path
from tests.simulator.process import Simulator

print(Simulator(Path({str(tmp_path / "books.sqlite")!r})).url, flush=True)
os._exit(9)
"""
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=20)
    url = done.stdout.strip()
    assert url.startswith("http://127.0.0.1:")
    with pytest.raises(requests.ConnectionError):
        for _ in range(1000):
            requests.get(f"{url}/books", timeout=1)


def test_a_person_starts_it_with_settings_and_finds_the_way(tmp_path):
    command = [sys.executable, "-m", "tests.simulator", "--set", "jobs.concurrency=5", "--until-stdin-closes"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        url = json.loads(process.stdout.readline())["url"]
        assert "/control" in requests.get(url, timeout=5).text
        told = requests.get(f"{url}/control", params={"vendor": "jobs"}, timeout=5).json()
        assert told["settings"]["concurrency"] == 5
        assert "500_after" in told["faults"]["rates"]


@pytest.mark.parametrize("order", ["jobs.concurency=5", "jobs.policy=fixed", "jobs", 'jobs.limits=[{"requests": 0}]'])
def test_a_setting_that_is_not_understood_ends_the_start_with_a_sentence(order):
    command = [sys.executable, "-m", "tests.simulator", "--set", order]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "--set: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_vendor_may_keep_no_tags(sim):
    sim.control(sim.vendor, keeps_tags=False)
    post(sim, "jobs", kind="image", tag="mine", seed=7)
    told = get(sim, "jobs?tag=mine").json()["jobs"][0]
    assert (told["tag"], told["input"]) == ("", {"prompt": "a lake", "seed": 7})
    assert list(sim.bills(sim.vendor)) == ["mine"]


def test_two_hours_pass_in_a_second_if_one_likes(tmp_path):
    with simulator(tmp_path / "books.sqlite", scale=14_400) as sim:
        sim.vendor = "jobs"
        sim.control("jobs", latency_s=[7200, 7200])
        job = post(sim, "jobs", kind="image").json()
        time.sleep(0.55)
        assert get(sim, f"jobs/{job['id']}").json()["status"] == "succeeded"


def test_it_shares_no_code_with_what_it_tests():
    lines = "import sys, tests.simulator.__main__\n"
    lines += "print([name for name in sys.modules if name.split('.')[0] in ('jobs', 'providers', 'qc', 'django')])"
    done = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.stdout.strip() == "[]"
