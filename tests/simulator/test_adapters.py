"""The engine's way through the simulator: the adapters, the errors they raise, and the store behind them."""

import itertools
import time

import pytest

from providers.downloads import DownloadError, store
from providers.exceptions import BadSignature, NotSent, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from providers.types import Accepted, Capability, Failed, Finished, Recovery, Request, Running
from tests.simulator.process import simulator
from tests.simulator.receiver import receiver
from tests.simulator_adapter import EVERYTHING, SimHooks, SimInstant, SimJobs, SimKeyed

pytestmark = pytest.mark.slow

ADAPTERS = [SimInstant, SimJobs, SimKeyed, SimHooks]
numbers = itertools.count()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("books") / "books.sqlite") as running:
        yield running


@pytest.fixture
def sim(shared):
    for adapter in ADAPTERS:
        shared.control(adapter.vendor, calm=True, limits=[], latency_s=[0, 0], price_micro=1)
    return shared


@pytest.fixture
def make(sim, tmp_path):
    def made(adapter):
        return adapter(workdir=tmp_path, base_url=f"{sim.url}/{adapter.vendor}")

    return made


def a_request(capability=Capability.IMAGE, **changes):
    tag = f"attempt-{next(numbers)}"
    sizes = {"width": 64, "height": 64, "seconds": 1.0}
    return Request(capability=capability, offer="sim-1", prompt="a lake", tag=tag, **sizes | changes)


def billed(sim, request):
    return len(sim.bills().get(request.tag, []))


def seen(sim, request):
    return [line for line in sim.books()["requests"] if line["tag"] == request.tag and line["method"] == "POST"]


def test_they_differ_in_what_is_known_about_a_lost_answer():
    found = {adapter.slug: {adapter.recovery_of(capability) for capability in EVERYTHING} for adapter in ADAPTERS}
    assert found == {
        "sim_instant": {Recovery.BLIND},
        "sim_jobs": {Recovery.LISTABLE},
        "sim_keyed": {Recovery.KEYED},
        "sim_hooks": {Recovery.LISTABLE},
    }


@pytest.mark.ffmpeg
@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("capability", sorted(EVERYTHING))
def test_every_capability_ends_in_a_stored_file(sim, make, tmp_path, adapter, capability):
    vendor = make(adapter)
    answer = vendor.submit(a_request(capability))
    if isinstance(answer, Accepted):
        answer = vendor.poll(answer.external_id)
    assert isinstance(answer, Finished)
    assert answer.external_id
    assert sum(answer.units.values()) > 0
    stored = store(
        answer.outputs[0],
        media_root=tmp_path,
        adapter_host_allow=(),
        base_url=vendor.url,
        allow_loopback=True,
        min_free_bytes=0,
    )
    expected = {"image": "png", "clip": "mp4", "voiceover": "wav"}.get(capability.value, "json")
    assert stored.name.endswith(expected)
    assert (tmp_path / stored.name).stat().st_size == stored.size


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize(
    ("fault", "error", "bills"),
    [
        ("lose_after_accept", Unknown, 1),
        ("lose_before_accept", Unknown, 0),
        ("500_after", Unknown, 1),
        ("504_after", Unknown, 1),
        ("500_before", Unknown, 0),
        ("503_before", Unknown, 0),
        ("garbage_after", Unknown, 1),
        ("no_id", Unknown, 1),
        ("400", Rejected, 0),
        ("401", Unauthorised, 0),
        ("402", OutOfCredit, 0),
        ("429", RateLimited, 0),
    ],
)
def test_a_fault_of_one_submit_is_one_request_and_one_typed_error(sim, make, adapter, fault, error, bills):
    sim.control(adapter.vendor, next=[fault])
    request = a_request()
    with pytest.raises(error):
        make(adapter).submit(request)
    assert len(seen(sim, request)) == 1
    assert billed(sim, request) == bills


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_answer_that_comes_too_late_is_unknown(sim, make, adapter, monkeypatch):
    sim.control(adapter.vendor, latency_s=[9e9, 9e9])
    monkeypatch.setattr(adapter, "deadline_s", dict.fromkeys(EVERYTHING, 0.2))
    request = a_request()
    if issubclass(adapter, SimJobs):  # takes the job at once, however long it lasts
        assert make(adapter).poll(make(adapter).submit(request).external_id) == Running()
        return
    with pytest.raises(Unknown):
        make(adapter).submit(request)
    assert billed(sim, request) == 1


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_closed_port_is_not_sent(tmp_path, adapter):
    with pytest.raises(NotSent):
        adapter(workdir=tmp_path, base_url="http://127.0.0.1:1").submit(a_request())


def test_a_429_says_how_long_to_wait_in_real_seconds(sim, make):
    sim.control("instant", limits=[{"requests": 1, "per_s": 6000}])
    with pytest.raises(RateLimited) as caught:  # earlier tests may have taken the place already
        make(SimInstant).submit(a_request())
        make(SimInstant).submit(a_request())
    assert 90 < caught.value.retry_after_s <= 100.1


def test_a_lost_job_is_found_by_its_tag(sim, make):
    sim.control("jobs", next=["lose_after_accept", "lose_before_accept"])
    taken, not_taken = a_request(), a_request()
    for request in (taken, not_taken):
        with pytest.raises(Unknown):
            make(SimJobs).submit(request)
    found = make(SimJobs).find(taken.tag)
    assert isinstance(make(SimJobs).poll(found), Finished)
    assert make(SimJobs).find(not_taken.tag) is None


def test_the_same_sent_again_under_its_key_is_one_job(sim, make):
    sim.control("keyed", next=["lose_after_accept"])
    request = a_request()
    with pytest.raises(Unknown):
        make(SimKeyed).submit(request)
    again = make(SimKeyed).submit(request)
    assert (billed(sim, request), again.external_id) == (1, sim.bills()[request.tag][0]["id"])


def test_bad_ends_of_jobs_carry_their_reason(sim, make):
    sim.control("jobs", next=["fail_job", "moderated"])
    failed, declined = (make(SimJobs).poll(make(SimJobs).submit(a_request()).external_id) for _ in range(2))
    assert isinstance(failed, Failed)
    assert (failed.moderated, failed.billed) == (False, False)
    assert declined.moderated


def test_an_unknown_word_means_still_running_and_a_job_can_be_cancelled(sim, make):
    sim.control("jobs", latency_s=[9e9, 9e9], next=["unknown_status"])
    job = make(SimJobs).submit(a_request()).external_id
    assert make(SimJobs).poll(job) == Running(unknown_status="percolating")
    make(SimJobs).cancel(job)
    assert isinstance(make(SimJobs).poll(job), Failed)


def test_one_call_tells_of_many_jobs_and_leaves_out_whom_nobody_knows(sim, make):
    sim.control("jobs", next=["fail_job"])
    failed, finished = (make(SimJobs).submit(a_request()).external_id for _ in range(2))
    sim.control("jobs", latency_s=[9e9, 9e9])
    running = make(SimJobs).submit(a_request()).external_id
    said = make(SimJobs).poll_many([running, failed, "nobody", finished])
    assert {job: type(answer) for job, answer in said.items()} == {running: Running, failed: Failed, finished: Finished}
    assert len(said[finished].outputs) == 1


def test_the_word_of_a_webhook_is_taken_once_it_is_verified_and_only_about_jobs_that_are_over(sim, make):
    secret = sim.control("hooks", hook_events="all", latency_s=[12, 12], next_hook=["doubled", "forged"])["hook_secret"]
    with receiver() as inbox:
        job = make(SimHooks).submit(a_request(callback_url=inbox.url)).external_id
        inbox.wait_for(4)
        told = {"right": set(), "wrong": 0}
        for headers, body in inbox.got:
            try:
                said = SimHooks.read_webhook(headers, body, [secret], time.time())
            except BadSignature:
                told["wrong"] += 1
            else:
                told["right"].add((said.webhook_id, said.external_id))
        with pytest.raises(BadSignature):  # played again after an hour
            SimHooks.read_webhook(*inbox.got[-1], [secret], time.time() + 3600)
    assert told["wrong"] == 1
    assert sorted(external_id or "" for _, external_id in told["right"]) == ["", job]
    sim.control("hooks", hook_events="over")


def test_cut_files_and_dead_links_are_had_the_second_time(sim, make, tmp_path):
    sim.control("jobs", next=["cut_file", "expired_file"])
    for expired in (False, True):
        answer = make(SimJobs).poll(make(SimJobs).submit(a_request()).external_id)
        place = {"media_root": tmp_path, "adapter_host_allow": (), "base_url": sim.url, "allow_loopback": True}
        with pytest.raises(DownloadError) as caught:
            store(answer.outputs[0], min_free_bytes=0, **place)
        assert (caught.value.retry, caught.value.expired) == (not expired, expired)
        assert store(answer.outputs[0], min_free_bytes=0, **place).media_type == "image/png"
