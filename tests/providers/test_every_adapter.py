"""What every adapter in providers/adapters/ must keep to."""

from __future__ import annotations

import ast
import copy
import inspect
import json
from pathlib import Path

import pytest

from providers import base
from providers.base import Adapter
from providers.exceptions import CallError, NotSent, Unknown
from providers.registry import all_adapters
from providers.types import Accepted, Capability, Failed, Finished, Recovery, Running
from tests.providers import schemas
from tests.providers.recorded import KEY, adapter_at, differences, examples_of, play, playing, request_of
from tests.simulator import protocols

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = sorted(all_adapters().values(), key=lambda adapter: adapter.slug)
REMOTE = [adapter for adapter in ADAPTERS if not adapter.local]
EXAMPLES = [(adapter, example) for adapter in REMOTE for example in examples_of(adapter.slug)]
KINDS = [(adapter, capability) for adapter in REMOTE for capability in sorted(adapter.capabilities)]


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.slug)
def adapter(request):
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
    assert {capability for capability, _ in names} <= adapter.capabilities


def test_what_it_says_of_lost_answers_is_about_what_it_can(adapter):
    assert set(adapter.recovery) <= adapter.capabilities
    assert set(adapter.deadline_s) <= adapter.capabilities
    assert all(adapter.deadline_of(capability) > 0 for capability in adapter.capabilities)


def test_what_it_promises_it_implements(adapter):
    assert adapter.submit is not Adapter.submit
    if Recovery.LISTABLE in adapter.recovery.values():
        assert adapter.find is not Adapter.find if adapter.tagged else adapter.has_listing()
        assert adapter.poll is not Adapter.poll


def test_local_work_is_free_and_remote_work_has_an_address(adapter):
    if adapter.local:
        assert {adapter.recovery_of(capability) for capability in adapter.capabilities} == {Recovery.FREE}
    else:
        assert adapter.base_url.startswith("https://")
        assert adapter.key_env.isupper()


def test_it_says_when_it_sends(adapter):
    source = inspect.getsource(adapter)
    assert "on_wire()" in source or "paid=True" in source


def test_it_does_not_sleep_or_know_the_framework(adapter):
    tree = ast.parse(inspect.getsource(inspect.getmodule(adapter)))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names} | {
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }
    assert not {name for name in imported if name.split(".")[0] in {"django", "jobs", "qc", "time"}}


# -- against recorded answers ----------------------------------------------------------------------


def named(pair):
    return f"{pair[0].slug}-{getattr(pair[1], 'name', pair[1])}"


@pytest.mark.parametrize("adapter", REMOTE, ids=lambda adapter: adapter.slug)
def test_it_has_the_files_of_the_recipe(adapter):
    assert (ROOT / "tests" / "providers" / f"test_{adapter.slug}.py").exists()
    assert (ROOT / "docs" / "providers" / f"{adapter.slug}.md").exists()
    assert examples_of(adapter.slug)
    assert adapter.slug in protocols.ALL


@pytest.mark.parametrize("pair", EXAMPLES, ids=named)
def test_a_recorded_answer_means_what_its_vendor_says(pair, tmp_path):
    adapter, example = pair
    with playing(example.answers()) as recorder:
        found = play(example, adapter, recorder, tmp_path)
    assert differences(found, example.said["means"]) == {}
    assert KEY not in f"{found!r} {getattr(found, 'message', '')} {getattr(found, 'detail', '')}"
    assert len(recorder.asked) == len(example.said["answers"])
    for asked in recorder.asked:
        if "json" in asked.headers.get("Content-Type", ""):
            assert schemas.request_trouble(adapter.slug, asked.method, asked.path, asked.json()) == []


@pytest.mark.parametrize("trouble", ["hang", "reset", 408, 409, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("pair", KINDS, ids=named)
def test_one_submit_is_one_request_whatever_comes_back(pair, trouble, tmp_path, monkeypatch):
    adapter, capability = pair
    monkeypatch.setattr(adapter, "deadline_s", {capability: 0.2})
    answer = trouble if isinstance(trouble, str) else {"status": trouble, "body": {}}
    with playing([answer]) as recorder:
        speaking = adapter_at(adapter, recorder.url, tmp_path)
        with pytest.raises(CallError) as caught:
            speaking.submit(request_of(None, adapter, tmp_path, capability))
    assert len(recorder.asked) == 1
    assert caught.value.message
    if trouble != 429:
        assert isinstance(caught.value, Unknown)


@pytest.mark.parametrize("pair", KINDS, ids=named)
def test_what_never_left_is_not_sent(pair, tmp_path):
    adapter, capability = pair
    with playing([]) as recorder:
        closed = recorder.url
    with pytest.raises(NotSent):
        adapter_at(adapter, closed, tmp_path).submit(request_of(None, adapter, tmp_path, capability))


STRANGE = [None, 7, -1, 1e300, True, "", "nonsense", [], {}, [[]], [None], {"x": 1}]


def mangled(body):
    """Every field missing once, and once each of what it should not be."""
    for path in paths(body):
        without = copy.deepcopy(body)
        at(without, path[:-1]).pop(path[-1])
        yield without
        for strange in STRANGE:
            changed = copy.deepcopy(body)
            at(changed, path[:-1])[path[-1]] = strange
            yield changed


def paths(value, before=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*before, name)
        yield from paths(inner, (*before, name))


def at(value, path):
    for step in path:
        value = value[step]
    return value


FINE = {"Accepted", "Running", "Finished", "Failed"}
READABLE = list(
    {  # one of each kind
        (pair[0].slug, pair[1].said["call"], pair[1].said.get("capability"), pair[1].said["means"]["type"]): pair
        for pair in EXAMPLES
        if pair[1].said["means"].get("type") in FINE and "body" in pair[1].said["answers"][-1]
    }.values()
)


@pytest.mark.parametrize("pair", READABLE, ids=named)
def test_nonsense_is_a_sentence_and_no_crash(pair, tmp_path):
    adapter, example = pair
    answers = example.answers()
    bodies = list(mangled(answers[-1]["body"]))[:400]
    with playing([]) as recorder:
        for body in [*bodies, None, [], "text", 0]:
            recorder.script[:] = [*copy.deepcopy(answers[:-1]), {**answers[-1], "body": body}]
            found = play(example, adapter, recorder, tmp_path)
            assert isinstance(found, CallError | Accepted | Running | Finished | Failed), json.dumps(body)
            if isinstance(found, CallError):
                assert found.message.endswith(".")
                assert len(found.message) < 300
            if isinstance(found, Accepted):
                assert isinstance(found.external_id, str)
                assert found.external_id
            if isinstance(found, Finished):
                assert all(type(units) is int and units >= 0 for units in found.units.values()), json.dumps(body)
                assert all(bool(o.url) + bool(o.path) + (o.content is not None) == 1 for o in found.outputs)


@pytest.mark.parametrize("pair", READABLE, ids=named)
def test_a_page_of_a_proxy_is_no_answer(pair, tmp_path):
    adapter, example = pair
    page = {"status": 200, "text": "<!doctype html><title>One moment</title>"}
    with playing([*example.answers()[:-1], page]) as recorder:
        assert isinstance(play(example, adapter, recorder, tmp_path), Unknown)


@pytest.mark.parametrize("pair", READABLE, ids=named)
def test_a_body_without_end_is_cut_off(pair, tmp_path, monkeypatch):
    adapter, example = pair
    monkeypatch.setattr(base, "MOST_BYTES", 100_000)
    with playing([*example.answers()[:-1], {"status": 200, "text": "[" * 300_000}]) as recorder:
        assert isinstance(play(example, adapter, recorder, tmp_path), Unknown)
