"""What is set aside for a call to OpenAI, what counts against its limits, and what it sells."""

from __future__ import annotations

from dataclasses import replace

from providers import catalogue, pricing
from providers.adapters.openai import text

from .conftest import OpenAI, a_file, price_of


def test_no_call_costs_more_than_was_set_aside(vendor, vendors, script, image, voice, tmp_path):
    for request in (script, replace(image, takes=4, inputs=(a_file(tmp_path),)), voice):
        answer, most = vendor.submit(request), OpenAI.most_units(request)
        assert all(most[unit] >= count for unit, count in answer.units.items()), request.capability
        bill = vendors.books("openai")["bills"][-1]
        assert pricing.cost(price_of(request), answer.units) == bill["amount_micro"]


def test_what_counts_against_the_window_is_what_was_reserved_for_writing(script):
    units = {"input_tokens": 100, "cached_tokens": 300, "output_tokens": 50}
    assert OpenAI.counted_tokens(script, units, 9999) == 400 + text.most_output_tokens(script)
    assert OpenAI.counted_tokens(script, {}, 9999) == 9999


def test_longer_films_get_more_room(script):
    longer = replace(script, extra={**script.extra, "scenes": 12, "seconds": 180})
    assert text.most_output_tokens(longer) > text.most_output_tokens(script) > 1000


def test_every_offer_has_a_price_and_every_dying_model_a_date():
    sold = catalogue.of("openai")
    assert all(sold.offer(spec.capability, spec.name).price for spec in OpenAI.offers)
    for name in ("dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1.5", "gpt-image-1-mini"):
        entry = sold.offer("image", name)
        assert entry.retires_on
        assert entry.successor
    for name in ("gpt-3.5-turbo", "gpt-4", "gpt-4-turbo", "gpt-4o", "gpt-4o-mini", "gpt-5", "o3"):
        entry = sold.offer("script", name)
        assert entry.retires_on
        assert entry.successor
    assert all(sold.offer("voiceover", name).retires_on.year == 2027 for name in ("tts-1", "gpt-4o-mini-tts"))
