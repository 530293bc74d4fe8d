"""Every adapter with its vendor's simulator: what is asked for is made, and costs no more than was reserved; lost
answers are found again, many jobs are asked about at once, some are cancelled, and only true webhooks are believed."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from providers import catalogue
from providers.base import Adapter
from providers.exceptions import BadSignature, CallError, Unknown
from providers.pricing import cost
from providers.types import Accepted, Failed, Finished, Recovery, Running
from tests.providers.every import KINDS, REMOTE, SOLD, named
from tests.providers.recorded import request_of
from tests.providers.speaking import adapter_for, until_over
from tests.simulator.receiver import receiver

pytestmark = pytest.mark.slow

KEY = "7d1f0c52-8a3e-4b6f-9f0e-2a41c0b9d111"  # some vendors know a key by its form
HOUR = timedelta(hours=1)
NEVER = {"latency_s": [1.0, 1.0], "queue_s": [600_000.0, 600_000.0]}  # it waits to begin
SHORT = {"latency_s": [1.0, 1.0], "queue_s": [0.0, 0.0]}


@pytest.fixture
def at(vendors, tmp_path):
    """The adapter, speaking with its simulator, which makes small files in no time."""

    def speaking(adapter):
        vendors.control(adapter.slug, media="tiny", limits=[], **SHORT)
        return adapter_for(vendors, adapter.slug, tmp_path, key=KEY, path=urlsplit(adapter.base_url).path)

    return speaking


@pytest.fixture
def wants(tmp_path):
    """A request for some capability, with a tag of its own."""
    numbers = itertools.count(1)

    def request(adapter, capability, **changes):
        return request_of(None, adapter, tmp_path, capability, **{"tag": f"{next(numbers):032x}", **changes})

    return request


def end_of(speaking, answer):
    return until_over(speaking, answer.external_id) if isinstance(answer, Accepted) else answer


def bills_of(vendors, adapter):
    return [bill["amount_micro"] for bill in vendors.books(adapter.slug)["bills"]]


def pictures_in(answer):
    return sum(4 if output.quarters else 1 for output in answer.outputs if not output.role)


# -- what is asked for is made, and costs no more than was reserved ------------------------------------


@pytest.mark.parametrize("pair", SOLD, ids=named)
def test_its_vendor_takes_what_it_is_sent_and_bills_no_more_than_was_reserved(pair, at, wants, vendors):
    adapter, offer = pair
    speaking, sold = at(adapter), catalogue.of(adapter.slug)
    price = sold.offer(offer.capability, offer.name).price if sold else None
    for width, height, seconds, takes in ((1280, 720, 5.0, 1), (333, 77, 0.4, offer.takes), (1081, 1921, 60.0, 1)):
        changes = {"width": width, "height": height, "seconds": seconds if offer.lengths else 0.0, "takes": takes}
        request, before = wants(adapter, offer.capability, offer=offer.name, **changes), bills_of(vendors, adapter)
        taken = speaking.submit(request)
        answer = end_of(speaking, taken)
        assert isinstance(answer, Finished), changes
        assert pictures_in(answer) >= takes
        billed = sum(bills_of(vendors, adapter)) - sum(before)
        if price:
            reserved = cost(price, speaking.most_units(request))
            assert billed <= reserved, changes
            told = answer.units or getattr(taken, "units", {})
            assert cost(price, told) == billed if told else billed == reserved, changes


# -- lost answers --------------------------------------------------------------------------------------

REMEMBERED = [pair for pair in KINDS if pair[0].recovery_of(pair[1]) in (Recovery.LISTABLE, Recovery.KEYED)]
OTHERS = ({"prompt": "herons over a weir", "seed": 8}, {"prompt": "a weir without herons", "seed": 9})


@pytest.mark.parametrize("pair", REMEMBERED, ids=named)
def test_a_job_whose_answer_was_lost_is_found_and_not_bought_again(pair, at, wants, vendors):
    adapter, capability = pair
    speaking, request = at(adapter), wants(adapter, capability)
    first, last = (wants(adapter, capability, **changes) for changes in OTHERS)
    known = {speaking.submit(first).external_id}
    vendors.control(adapter.slug, next=["lose_after_accept"])
    with pytest.raises(Unknown):
        speaking.submit(request)
    known.add(speaking.submit(last).external_id)
    found = job_of(speaking, request, capability, known)
    assert found
    assert found not in known
    assert isinstance(until_over(speaking, found), Finished)
    assert len(bills_of(vendors, adapter)) == 3


def job_of(speaking, request, capability, known):
    """As the engine looks for it."""
    adapter = type(speaking)
    if adapter.recovery_of(capability) is Recovery.KEYED:
        return speaking.submit(request).external_id
    if adapter.tagged:
        assert speaking.find("f" * 32) is None
        return speaking.find(request.tag)
    now = datetime.now(UTC)
    jobs = speaking.list_jobs(now - HOUR, now + HOUR)
    (alike,) = (job for job in jobs if job.fingerprint == adapter.fingerprint_of(request))
    return alike.external_id


LISTING = [pair for pair in KINDS if pair[0].has_listing()]


@pytest.mark.parametrize("pair", LISTING, ids=named)
def test_its_listing_names_jobs_as_their_submits_did(pair, at, wants):
    """Else each of our own jobs would look like a stranger's, and be booked twice."""
    adapter, capability = pair
    speaking = at(adapter)
    requests = [wants(adapter, capability, **changes) for changes in OTHERS]
    began = datetime.now(UTC)
    ids = [speaking.submit(request).external_id for request in requests]
    jobs = {job.external_id: job for job in speaking.list_jobs(began - HOUR, datetime.now(UTC) + HOUR)}
    assert set(jobs) == set(ids)
    for external_id, request in zip(ids, requests, strict=True):
        assert jobs[external_id].capability == capability
        assert abs(jobs[external_id].created_at - began) < timedelta(minutes=1)
        mark = jobs[external_id].tag if adapter.tagged else jobs[external_id].fingerprint
        assert mark == (request.tag if adapter.tagged else adapter.fingerprint_of(request))
    assert speaking.list_jobs(began - 3 * HOUR, began - HOUR) == []


# -- many at once, and no more ---------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", [adapter for adapter in REMOTE if adapter.can_list], ids=named)
def test_many_at_once_are_told_of_as_each_by_itself(adapter, at, wants, vendors):
    speaking, capability = at(adapter), min(adapter.capabilities)
    made = [speaking.submit(wants(adapter, capability)).external_id]
    for fault in ("fail_job", "moderated"):
        vendors.control(adapter.slug, next=[fault])
        made.append(speaking.submit(wants(adapter, capability, prompt=fault)).external_id)
    for job in made:
        until_over(speaking, job)
    vendors.control(adapter.slug, **NEVER)
    made.append(speaking.submit(wants(adapter, capability)).external_id)
    told = speaking.poll_many([*made, "7" * len(made[0])])
    assert set(told) == set(made)
    alone = {job: speaking.poll(job) for job in made}
    assert [type(answer) for answer in alone.values()] == [Finished, Failed, Failed, Running]
    for job, answer in alone.items():
        assert type(told[job]) is type(answer)
        for name in ("units", "billed", "moderated", "reason"):
            assert getattr(told[job], name, None) == getattr(answer, name, None)


@pytest.mark.parametrize("adapter", [one for one in REMOTE if one.cancel is not Adapter.cancel], ids=named)
def test_a_cancelled_job_goes_on_no_longer(adapter, at, wants, vendors):
    speaking = at(adapter)
    vendors.control(adapter.slug, **NEVER)
    job = speaking.submit(wants(adapter, min(adapter.capabilities))).external_id
    assert isinstance(speaking.poll(job), Running)
    speaking.cancel(job)
    try:
        answer = speaking.poll(job)
    except CallError:  # it is not known any more
        return
    assert isinstance(answer, Failed)
    assert not answer.moderated


# -- webhooks --------------------------------------------------------------------------------------------

CALLING = [adapter for adapter in REMOTE if adapter.calls_back]
SIGNING = [adapter for adapter in CALLING if adapter.webhook_secret_env or adapter.signs_publicly]


@pytest.fixture
def letter_of(at, wants, vendors, monkeypatch):
    """(headers, body, secrets, id of the job) of a webhook about a job that is over."""

    def letter(adapter):
        speaking = at(adapter)
        if adapter.signs_publicly:
            monkeypatch.setattr(adapter, "keys_host", f"{vendors.url}/{adapter.slug}")
            monkeypatch.setattr(adapter, "published", type(adapter.published)())
        with receiver() as place:
            where = f"{place.url}{'a' * 32}/proof/"
            settings = vendors.control(adapter.slug, hook_url=where, hook_events="over")
            job = speaking.submit(wants(adapter, min(adapter.capabilities), callback_url=where)).external_id
            place.wait_for(1)
        headers, body = place.got[0]
        return headers, body, [settings["hook_secret"]], job

    return letter


@pytest.mark.parametrize("adapter", SIGNING, ids=named)
def test_a_true_webhook_names_its_job_as_the_submit_did(adapter, letter_of):
    headers, body, secrets, job = letter_of(adapter)
    said = adapter.read_webhook(headers, body, secrets, time.time())
    assert said.external_id == job
    assert said.webhook_id


@pytest.mark.parametrize("adapter", CALLING, ids=named)
def test_a_false_webhook_is_refused(adapter, letter_of):
    headers, body, secrets, _ = letter_of(adapter)
    now = time.time()
    proofs = [name for name in headers if "signature" in name or name == "authorization"]
    assert proofs or adapter not in SIGNING
    false = [
        ("unsigned", {name: value for name, value in headers.items() if name not in proofs}, body, secrets, now),
        (
            "forged",
            {**headers, **{name: value[:-6] + "AAAA==" for name, value in headers.items() if name in proofs}},
            body,
            secrets,
            now,
        ),
        ("for another", headers, body, ["whsec_c29tZWJvZHkgZWxzZQ=="], now),
    ]
    if any("timestamp" in name for name in headers):
        false += [("old", headers, body, secrets, now + 3600), ("of tomorrow", headers, body, secrets, now - 3600)]
    if any("signature" in name for name in headers):
        false.append(("changed", headers, body.replace(b"{", b"{ ", 1), secrets, now))
    for what, sent, content, known, moment in false:
        if what == "for another" and adapter.signs_publicly:
            continue  # its secret is its own
        with pytest.raises(BadSignature):
            pytest.fail(f"{what}: {adapter.read_webhook(sent, content, known, moment)}")
