"""Scripts that OpenAI writes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers import pricing
from providers.exceptions import Rejected
from providers.types import Failed
from qc.measure.script import read_script

from .conftest import OpenAI, own, price_of, sent


def test_a_script_is_as_scripts_are_read_here(vendor, vendors, script):
    vendors.control("openai", media="real")
    answer = vendor.submit(script)
    facts = read_script(answer.outputs[0].content.decode())
    assert facts.error == ""
    assert (len(facts.scenes), round(facts.seconds)) == (4, 30)


def test_the_order_says_all_that_is_known_of_the_film(tmp_path, script):
    body = sent(tmp_path, script).json()
    order = body["messages"][1]["content"]
    for words in ("Tidal power", "German (de)", "exactly 4", "30 seconds", "9:16", "calm and clear"):
        assert words in order


def test_another_language_is_named_by_its_code(tmp_path, script):
    order = sent(tmp_path, replace(script, language="sw")).json()["messages"][1]["content"]
    assert "Language: sw" in order


def test_the_form_of_the_answer_is_strict(tmp_path, script):
    form = sent(tmp_path, script).json()["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["required"] == ["title", "hook", "description", "hashtags", "scenes"]


@pytest.mark.parametrize(
    ("model", "there", "not_there"),
    [
        ("gpt-6-luna", {"max_completion_tokens", "reasoning_effort"}, {"max_tokens", "temperature", "seed"}),
        ("gpt-4.1", {"max_completion_tokens"}, {"max_tokens", "reasoning_effort", "temperature", "seed"}),
        ("llama3.2:3b", {"max_tokens", "seed"}, {"max_completion_tokens", "reasoning_effort"}),
        ("gpt-oss:20b", {"max_tokens", "seed"}, {"max_completion_tokens", "reasoning_effort"}),
    ],
)
def test_a_model_is_told_only_what_it_knows(tmp_path, script, model, there, not_there):
    body = sent(tmp_path, replace(script, offer=model)).json()
    assert there <= set(body)
    assert not not_there & set(body)


def test_the_offer_s_own_parameters_come_last_and_null_takes_ours_away(tmp_path, script):
    request = own(script, response_format={"type": "json_object"}, max_completion_tokens=900, reasoning_effort=None)
    body = sent(tmp_path, request).json()
    assert body["response_format"] == {"type": "json_object"}
    assert body["max_completion_tokens"] == 900
    assert "reasoning_effort" not in body
    assert OpenAI.output_tokens_of(request) == 900


@pytest.mark.parametrize(
    ("ending", "moderated"), [("refusal", True), ("content_filter", True), ("length", False), ("no_json", False)]
)
def test_what_is_billed_and_no_use_has_failed_with_its_price(vendor, vendors, script, ending, moderated):
    vendors.control("openai", account={"answer": ending})
    answer = vendor.submit(script)
    assert isinstance(answer, Failed)
    assert (answer.moderated, answer.billed) == (moderated, True)
    (bill,) = vendors.books("openai")["bills"]
    assert pricing.cost(price_of(script), answer.units) == bill["amount_micro"] > 0


def test_a_script_that_is_too_long_for_its_budget_is_cut(vendor, script):
    answer = vendor.submit(own(script, max_completion_tokens=50))
    assert isinstance(answer, Failed)
    assert "50 tokens" in answer.reason


def test_a_prompt_that_is_declined_is_a_matter_of_content(vendor, vendors, script):
    vendors.control("openai", next=["moderated"])
    with pytest.raises(Rejected) as caught:
        vendor.submit(script)
    assert caught.value.moderated
