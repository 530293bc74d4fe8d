from __future__ import annotations

import pytest

from providers import registry
from providers.base import Adapter


def test_what_ships_is_found():
    assert {"studio", "this_machine"} <= set(registry.all_adapters())


def test_an_adapter_that_is_not_there_is_named():
    with pytest.raises(LookupError, match="'nobody'"):
        registry.get("nobody")


def test_one_from_outside_can_be_added(monkeypatch):
    monkeypatch.setattr(registry, "_extra", {})

    class Outside(Adapter):
        slug = "outside"

    registry.register(Outside)
    assert registry.get("outside") is Outside
