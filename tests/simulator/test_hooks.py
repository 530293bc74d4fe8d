"""Webhooks as a client gets them: signed, and with every fault on their way."""

import base64
import itertools
import time

import pytest

from tests.simulator.process import simulator
from tests.simulator.receiver import is_signed, receiver

pytestmark = pytest.mark.slow

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
numbers = itertools.count()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("books") / "books.sqlite", scale=60) as running:
        yield running


@pytest.fixture
def sim(shared):
    shared.vendor = f"hooks{next(numbers)}"
    shared.control(shared.vendor, latency_s=[0, 0], hook_secret=SECRET)
    return shared


@pytest.fixture
def inbox():
    with receiver() as running:
        yield running


def submit(sim, inbox, **body):
    told = {"kind": "image", "prompt": "a lake", "callback_url": inbox.url, **body}
    return sim.http.post(f"{sim.url}/{sim.vendor}/v1/jobs", json=told, timeout=10)


def deliveries(sim):
    return sim.summary(sim.vendor)["webhooks"]


def test_a_finished_job_is_told_signed_and_in_the_words_of_a_poll(sim, inbox):
    job = submit(sim, inbox, tag="t").json()["id"]
    told = inbox.wait_for(1)[0]
    headers, body = inbox.got[0]
    assert is_signed(headers, body, SECRET)
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 3
    assert told == sim.http.get(f"{sim.url}/{sim.vendor}/v1/jobs/{job}", timeout=10).json()
    assert (told["status"], told["tag"]) == ("succeeded", "t")
    assert inbox.stays_at(1)


def test_a_failed_and_a_cancelled_job_are_told_too(sim, inbox):
    sim.control(sim.vendor, next=["fail_job"])
    submit(sim, inbox)
    assert inbox.wait_for(1)[0]["status"] == "failed"
    sim.control(sim.vendor, latency_s=[9e9, 9e9])
    job = submit(sim, inbox).json()["id"]
    sim.http.delete(f"{sim.url}/{sim.vendor}/v1/jobs/{job}", timeout=10)
    assert inbox.wait_for(2)[1]["status"] == "cancelled"


def test_a_job_is_told_of_when_it_is_over_and_not_before(sim, inbox):
    sim.control(sim.vendor, latency_s=[18, 18])
    accepted = time.monotonic()
    submit(sim, inbox)
    inbox.wait_for(1)
    assert 0.3 <= time.monotonic() - accepted < 2


def test_all_events_of_a_job_may_be_told(sim, inbox):
    sim.control(sim.vendor, hook_events="all", queue_s=[3, 3], latency_s=[6, 6])
    submit(sim, inbox)
    assert [told["status"] for told in inbox.wait_for(2)] == ["running", "succeeded"]


def test_what_nobody_took_comes_again_under_the_same_id_and_at_last_no_more(sim, inbox):
    sim.control(sim.vendor, hook_tries=3, hook_gap_s=3)
    inbox.answers = [503, 500]
    submit(sim, inbox)
    inbox.wait_for(3)
    assert len({headers["webhook-id"] for headers, _ in inbox.got}) == 1
    assert all(is_signed(headers, body, SECRET) for headers, body in inbox.got)
    inbox.answers = [503] * 5
    submit(sim, inbox)
    inbox.wait_for(6)
    assert inbox.stays_at(6)
    assert [row["answer"] for row in deliveries(sim)] == [503, 500, 204, 503, 503, 503]


# -- faults ----------------------------------------------------------------------------------------


def test_a_lost_one_never_comes(sim, inbox):
    sim.control(sim.vendor, next_hook=["lost"])
    submit(sim, inbox)
    assert inbox.stays_at(0)
    assert [(row["fault"], row["sent_at"]) for row in deliveries(sim)] == [("lost", None)]


def test_a_doubled_one_comes_as_often_as_ordered_word_for_word(sim, inbox):
    sim.control(sim.vendor, next_hook=["doubled"], doubles=5)
    submit(sim, inbox)
    inbox.wait_for(5)
    assert len({(headers["webhook-id"], headers["webhook-signature"], body) for headers, body in inbox.got}) == 1
    assert inbox.stays_at(5)


@pytest.mark.slow
def test_a_replayed_one_comes_again_later_with_its_old_signature(sim, inbox):
    sim.control(sim.vendor, next_hook=["replayed"], replay_s=72)
    submit(sim, inbox)
    inbox.wait_for(1)
    time.sleep(1.0)
    inbox.wait_for(2)
    first, again = inbox.got
    assert first[0]["webhook-signature"] == again[0]["webhook-signature"]
    assert deliveries(sim)[1]["sent_at"] - deliveries(sim)[0]["sent_at"] >= 1.19


def test_a_reversed_one_is_overtaken_by_the_next(sim, inbox):
    sim.control(sim.vendor, next_hook=["reversed"], hook_hold_s=6000)
    first, second = (submit(sim, inbox).json()["id"] for _ in range(2))
    assert [told["id"] for told in inbox.wait_for(2)] == [second, first]


def test_a_reversed_one_that_nothing_overtakes_comes_at_last(sim, inbox):
    sim.control(sim.vendor, next_hook=["reversed"], hook_hold_s=12)
    submit(sim, inbox)
    assert inbox.stays_at(0, for_s=0.1)
    inbox.wait_for(1)


@pytest.mark.parametrize("fault", ["forged", "unsigned"])
def test_a_liars_word_comes_before_the_job_is_over_and_is_not_signed_by_us(sim, inbox, fault):
    sim.control(sim.vendor, next_hook=[fault], latency_s=[24, 24])
    job = submit(sim, inbox).json()["id"]
    false, true = inbox.wait_for(2)
    assert (false["id"], false["status"], true["id"], true["status"]) == (job, "succeeded", job, "succeeded")
    assert "forged" in false["output"][0]["url"]
    assert is_signed(*inbox.got[1], SECRET)
    assert "webhook-signature" not in inbox.got[0][0] if fault == "unsigned" else not is_signed(*inbox.got[0], SECRET)


def test_words_about_unknown_jobs_and_huge_ones_come_well_signed(sim, inbox):
    sim.control(sim.vendor, next_hook=["unknown_job", "huge"])
    known = {submit(sim, inbox).json()["id"] for _ in range(2)}
    inbox.wait_for(4)
    assert all(is_signed(headers, body, SECRET) for headers, body in inbox.got)
    assert len([told for told in inbox.bodies if told["id"] not in known]) == 1
    assert max(len(body) for _, body in inbox.got) > 2**20


def test_faults_come_by_rate_and_calm_ends_them(sim, inbox):
    sim.control(sim.vendor, hook_rates={"lost": 0.5})
    for _ in range(40):
        submit(sim, inbox)
    lost = [row for row in deliveries(sim) if row["fault"] == "lost"]
    assert 8 <= len(lost) <= 32
    inbox.wait_for(40 - len(lost))
    sim.control(sim.vendor, calm=True)
    submit(sim, inbox)
    inbox.wait_for(41 - len(lost))


# -- the process -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_webhook_that_was_due_while_the_vendor_was_down_comes_when_it_is_up(tmp_path, inbox):
    with simulator(tmp_path / "books.sqlite", scale=60) as sim:
        sim.vendor = "hooks"
        sim.control("hooks", latency_s=[30, 30], hook_secret=SECRET)
        submit(sim, inbox)
        sim.kill()
        time.sleep(0.6)
        sim.start()
        assert inbox.wait_for(1)[0]["status"] == "succeeded"
        assert inbox.stays_at(1, for_s=0.2)


@pytest.mark.parametrize("url", ["http://example.com/hook", "https://127.0.0.1/hook", "file:///etc/passwd"])
def test_only_this_machine_is_called_back(sim, inbox, url):
    assert submit(sim, inbox, callback_url=url).status_code == 400
