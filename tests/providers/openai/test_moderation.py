"""What OpenAI says of texts and pictures that may do harm."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from providers.exceptions import Rejected
from qc.measure.moderation import read_moderation

from .conftest import a_file


def test_a_harmless_text_is_clear_and_a_bad_one_flagged(vendor, vendors, moderation):
    clear = read_moderation(vendor.submit(moderation).outputs[0].content.decode())
    assert (clear.flagged, len(clear.categories)) == (False, 13)
    bad = read_moderation(vendor.submit(replace(moderation, prompt="something forbidden")).outputs[0].content.decode())
    assert bad.flagged
    assert bad.categories[0] == ("violence", 0.97)
    assert {bill["amount_micro"] for bill in vendors.books("openai")["bills"]} == {0}


def test_of_a_picture_only_what_was_looked_at_is_told(vendor, vendors, moderation, tmp_path):
    vendors.control("openai", account={"answer": "flagged"})
    request = replace(moderation, prompt="", inputs=(a_file(tmp_path, role="image"),))
    told = json.loads(vendor.submit(request).outputs[0].content)
    assert told["flagged"] is True
    assert "hate" not in told["categories"]
    assert "hate" in told["not_looked_at"]
    assert len(told["categories"]) == 6


def test_one_picture_at_a_time_is_judged(vendor, moderation, tmp_path):
    picture = a_file(tmp_path, role="image")
    with pytest.raises(Rejected, match="one picture at a time"):
        vendor.submit(replace(moderation, inputs=(picture, picture)))
    with pytest.raises(Rejected, match="neither"):
        vendor.submit(replace(moderation, prompt=" "))
