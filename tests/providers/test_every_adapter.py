"""What every adapter in providers/adapters/ must keep to: what it says of itself, its files, its recorded answers.

What it sends stands in test_every_adapter_asks.py, what it makes of nonsense in test_every_adapter_and_nonsense.py, and
how its jobs are found and called back about in test_every_adapter_is_found_again.py.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from providers import catalogue
from providers.base import Adapter
from providers.outbound import host_is_allowed
from providers.pricing import cost
from providers.types import Capability, Recovery
from tests.providers import schemas
from tests.providers.every import ADAPTERS, EXAMPLES, REMOTE, SOLD, capability_of, named
from tests.providers.recorded import KEY, differences, examples_of, play, playing, recording_of, request_of
from tests.simulator import protocols

ROOT = Path(__file__).resolve().parents[2]
TEST = re.compile(r"^def test_", re.MULTILINE)


@pytest.fixture(params=ADAPTERS, ids=named)
def adapter(request):
    return request.param


@pytest.fixture(params=REMOTE, ids=named)
def remote(request):
    return request.param


def test_it_says_what_it_is_and_can(adapter):
    assert adapter.slug
    assert adapter.slug.isidentifier()
    assert adapter.label
    assert adapter.capabilities
    assert adapter.capabilities <= set(Capability)


def test_its_offers_are_of_what_it_can_and_named_once(adapter):
    names = [(offer.capability, offer.name) for offer in adapter.offers]
    assert len(names) == len(set(names))
    assert {capability for capability, _ in names} == adapter.capabilities


def test_what_it_says_of_lost_answers_is_about_what_it_can(adapter):
    assert set(adapter.recovery) <= adapter.capabilities
    assert set(adapter.deadline_s) <= adapter.capabilities
    assert all(adapter.deadline_of(capability) > 0 for capability in adapter.capabilities)


def test_what_it_promises_it_implements(adapter):
    assert adapter.submit is not Adapter.submit
    if Recovery.LISTABLE in adapter.recovery.values():
        assert adapter.find is not Adapter.find if adapter.tagged else adapter.has_listing()
        assert adapter.poll is not Adapter.poll
    if adapter.can_list:
        assert adapter.poll_many is not Adapter.poll_many
    if adapter.webhook_secret_env or adapter.signs_publicly:
        assert adapter.calls_back
        assert adapter.read_webhook.__func__ is not Adapter.read_webhook.__func__
    if adapter.bulk_capabilities:
        assert adapter.bulk_lines > 0  # of none, nothing would ever be sent
        methods = ("write", "upload", "create", "poll", "find", "cancel", "read")
        assert all(getattr(adapter, f"bulk_{name}") is not getattr(Adapter, f"bulk_{name}") for name in methods)


def test_local_work_is_free_and_remote_work_has_an_address(adapter):
    if adapter.local:
        assert {adapter.recovery_of(capability) for capability in adapter.capabilities} == {Recovery.FREE}
        assert "on_wire()" in inspect.getsource(adapter)
    else:
        assert adapter.base_url.startswith("https://")
        assert adapter.key_env.isupper()


# -- its code ----------------------------------------------------------------------------------------

ABOVE = {"django", "jobs", "qc", "vidbatch_site"}
WAITING = {"time", "asyncio", "sched"}


def sources_of(adapter):
    """Its module, or all of its package."""
    name = ".".join(adapter.__module__.split(".")[:3])  # providers.adapters.<slug>
    place = Path(sys.modules[name].__file__)
    return sorted(place.parent.glob("**/*.py")) if place.name == "__init__.py" else [place]


def imported_by(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0]


def test_it_does_not_sleep_or_know_the_framework(adapter):
    for place in sources_of(adapter):
        tree = ast.parse(place.read_text())
        unwanted = ABOVE | (set() if adapter.local else WAITING)
        assert not unwanted & set(imported_by(tree)), place.name
        called = {
            getattr(node.func, "attr", getattr(node.func, "id", ""))
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
        }
        assert adapter.local or "sleep" not in called, place.name


# -- its files ---------------------------------------------------------------------------------------


def where_its_tests_are(slug):
    """One file, or all of a folder."""
    place = ROOT / "tests" / "providers"
    return sorted((place / slug).glob("test_*.py")) or [place / f"test_{slug}.py"]


def test_it_has_the_files_of_the_recipe(remote):
    assert remote.slug in protocols.ALL
    assert all(TEST.search(place.read_text()) for place in where_its_tests_are(remote.slug))
    page = (ROOT / "docs" / "providers" / f"{remote.slug}.md").read_text()
    assert page.startswith("# ")
    assert len(page.splitlines()) >= 8
    for needed in ("price", "https://", remote.key_env.lower()):
        assert needed in page.lower(), f"{remote.slug}.md says nothing of “{needed}”"


def test_its_recording_says_where_it_is_from(remote):
    recording = recording_of(remote.slug)
    assert recording["source"].startswith("https://")
    assert re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", recording["read"])
    assert recording["base"] == remote.base_url


ENDS = {"Rejected", "Unauthorised", "OutOfCredit", "RateLimited", "Unknown", "moderated"}
OF_A_JOB = {"Running", "unknown_status", "Finished", "Failed"}


def words_of(example):
    means = example.said["means"]
    yield means.get("error") or means["type"]
    yield from (name for name in ("moderated", "unknown_status") if means.get(name))


def test_its_examples_are_of_all_that_can_happen(remote):
    """What its vendor has no words for it says itself, in `not_documented`."""
    examples, excused = examples_of(remote.slug), set(recording_of(remote.slug).get("not_documented", ()))
    found = {word for example in examples for word in words_of(example)}
    assert ENDS - found <= excused
    assert not found & excused
    for capability in remote.capabilities:
        said = {
            word
            for example in examples
            if example.said["call"] == "submit" and capability_of(remote, example) == capability
            for word in words_of(example)
        }
        assert said & {"Accepted", "Finished"}, f"nothing of {capability} goes well"
        assert "Unknown" in said, f"{capability} never ends unclear"
    if "Accepted" in found:
        polled = {word for example in examples if example.said["call"] == "poll" for word in words_of(example)}
        assert polled >= OF_A_JOB
    called = {example.said["call"] for example in examples}
    for name in ("poll_many", "cancel", *(["find"] if remote.tagged else [])):
        assert getattr(remote, name) is getattr(Adapter, name) or name in called, f"there is no example of {name}"


NEEDED = {
    "Accepted": {"external_id"},
    "Finished": {"outputs", "units"},
    "Failed": {"moderated", "billed"},
    "Running": set(),
    "Rejected": {"moderated"},
}


def test_its_examples_leave_nothing_out_that_decides_about_money(remote):
    for example in examples_of(remote.slug):
        means = example.said["means"]
        assert NEEDED.get(means.get("error") or means["type"], set()) <= set(means), example.name
        assert "type" not in means or len(example.said["asks"]) == len(example.said["answers"]), example.name


def test_what_it_submits_stands_in_its_vendor_s_own_document(remote):
    excused = recording_of(remote.slug).get("not_documented", ())
    for example in examples_of(remote.slug) if schemas.document(remote.slug) else ():
        for asked in example.said.get("asks", ()) if example.said["call"] == "submit" else ():
            assert schemas.knows(remote.slug, *asked.split(" ", 1)) or asked in excused, example.name


# -- its recorded answers ----------------------------------------------------------------------------


@pytest.mark.parametrize("pair", EXAMPLES, ids=named)
def test_a_recorded_answer_means_what_its_vendor_says(pair, tmp_path):
    adapter, example = pair
    announced = []
    with playing(example.answers()) as recorder:
        found = play(example, adapter, recorder, tmp_path, on_wire=lambda: announced.append(len(recorder.asked)))
    assert differences(found, example.said["means"]) == {}
    assert KEY not in f"{found!r} {getattr(found, 'message', '')} {getattr(found, 'detail', '')}"
    assert len(recorder.asked) == len(example.said["answers"])
    assert announced == ([0] if example.said["call"] == "submit" else [])  # the engine counts a paid call by it
    assert [asked.what for asked in recorder.asked] == example.said.get(
        "asks", [asked.what for asked in recorder.asked]
    )
    for asked in recorder.asked:
        assert any(KEY in value for value in asked.headers.values())
        assert KEY not in asked.path
        if "json" in asked.headers.get("Content-Type", ""):
            assert schemas.request_trouble(adapter.slug, asked.method, asked.path, asked.json()) == []
    for output in getattr(found, "outputs", ()):
        own = (urlsplit(address).hostname for address in (adapter.base_url, recorder.url))
        assert not output.url or host_is_allowed(urlsplit(output.url).hostname, (*own, *adapter.output_hosts))


FINISHED = [pair for pair in EXAMPLES if pair[1].said["means"].get("type") == "Finished"]


# -- money -------------------------------------------------------------------------------------------


def price_of(adapter, capability, name):
    """None where an admin types it in."""
    sold = catalogue.of(adapter.slug)
    entry = sold.offer(capability, name) if sold else None
    return entry.price if entry else None


@pytest.mark.parametrize("pair", SOLD, ids=named)
def test_what_is_reserved_counts_in_the_unit_of_the_price(pair, tmp_path):
    adapter, offer = pair
    price, request = (
        price_of(adapter, offer.capability, offer.name),
        request_of(None, adapter, tmp_path, offer.capability),
    )
    if catalogue.of(adapter.slug):
        assert price or adapter.recovery_of(offer.capability) is Recovery.FREE, "the catalogue has no price for it"
    most = adapter.most_units(request)
    assert all(type(count) is int and count >= 0 for count in most.values())
    if price and (price.micro or price.beside):
        assert cost(price, most) > 0
        assert price.unit == "calls" or most.get(price.unit, 0) > 0


@pytest.mark.parametrize("pair", FINISHED, ids=named)
def test_no_more_is_billed_than_was_reserved(pair, tmp_path):
    adapter, example = pair
    request, billed = request_of(example, adapter, tmp_path), example.said["means"]["units"]
    most, price = adapter.most_units(request), price_of(adapter, request.capability, request.offer)
    if price is None:
        assert all(most.get(unit, 0) >= count for unit, count in billed.items())
    else:
        assert cost(price, billed) <= cost(price, most)
