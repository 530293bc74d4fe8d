"""All adapters, what they can and sell, and their examples: what the tests of every adapter go through."""

from __future__ import annotations

from typing import Any

from providers.base import Adapter
from providers.offer_spec import OfferSpec
from providers.registry import all_adapters
from tests.providers.recorded import Example, examples_of

ADAPTERS = sorted(all_adapters().values(), key=lambda adapter: adapter.slug)
REMOTE = [adapter for adapter in ADAPTERS if not adapter.local]
EXAMPLES = [(adapter, example) for adapter in REMOTE for example in examples_of(adapter.slug)]
KINDS = [(adapter, capability) for adapter in REMOTE for capability in sorted(adapter.capabilities)]
SOLD = [(adapter, offer) for adapter in REMOTE for offer in adapter.offers]


def named(value: Any) -> str:
    """For the names of tests."""
    if isinstance(value, tuple):
        return "-".join(map(named, value))
    return str(getattr(value, "slug", "") or getattr(value, "name", "") or value)


def capability_of(adapter: type[Adapter], example: Example) -> str:
    return str(example.said.get("capability") or sorted(adapter.capabilities)[0])


def good_answer_to(adapter: type[Adapter], offer: OfferSpec) -> Any:
    """What its vendor says when it takes a request for it; of the same model where there is such an example."""
    good = [
        (example.said.get("request", {}).get("offer") == offer.name, example.answers()[-1])
        for example in examples_of(adapter.slug)
        if example.said["call"] == "submit"
        and example.said["means"].get("type") in ("Accepted", "Finished")
        and capability_of(adapter, example) == offer.capability
    ]
    assert good, f"there is no example of a good answer for {offer.capability}"
    return max(good, key=lambda pair: pair[0])[1]
