"""What every adapter in providers/adapters/ must keep to."""

from __future__ import annotations

import ast
import inspect

import pytest

from providers.base import Adapter
from providers.registry import all_adapters
from providers.types import Capability, Recovery

ADAPTERS = sorted(all_adapters().values(), key=lambda adapter: adapter.slug)


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
        assert adapter.find is not Adapter.find
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
