"""What every adapter makes of answers that make no sense: above all, nothing that frees money which may be spent."""

from __future__ import annotations

import copy
import json
import random

import pytest

from providers import base
from providers.exceptions import CallError, Rejected, Unknown
from providers.types import Accepted, Failed, Finished, Running
from tests.providers.every import EXAMPLES, capability_of, named
from tests.providers.recorded import examples_of, mangled, play, playing

MOST = 250  # of an example's
FINE = {"Accepted", "Running", "Finished", "Failed"}
READABLE = list(
    {  # one of each kind
        (pair[0].slug, pair[1].said["call"], pair[1].said.get("capability"), pair[1].said["means"]["type"]): pair
        for pair in EXAMPLES
        if pair[1].said["means"].get("type") in FINE and "body" in pair[1].said["answers"][-1]
    }.values()
)


def nonsense_of(example, step):
    """The answers of an example with nonsense in that one; a sample of all that is possible, the same each time."""
    answers = example.answers()
    bodies = list(mangled(answers[step]["body"]))
    if len(bodies) > MOST:
        bodies = random.Random(example.name).sample(bodies, MOST)
    for body in [*bodies, None, [], "text", 0]:
        yield (
            body,
            [*copy.deepcopy(answers[:step]), {**answers[step], "body": body}, *copy.deepcopy(answers[step + 1 :])],
        )


# -- what may come of it -----------------------------------------------------------------------------


def kind(name, said):
    """What there is to know of an end that frees money; of all others the name is enough."""
    return (name, said("moderated")) if name == "Failed" and not said("billed") else name


def kind_of(found):
    return kind(type(found).__name__, lambda name: getattr(found, name))


def documented(adapter, example):
    """What its vendor says that such a call may come to."""
    return {
        kind(other.said["means"].get("type") or other.said["means"]["error"], other.said["means"].get)
        for other in examples_of(adapter.slug)
        if other.said["call"] == example.said["call"]
        and capability_of(adapter, other) == capability_of(adapter, example)
    }


def check(found, adapter, example, body):
    shown = f"{found!r} for {json.dumps(body)[:500]}"
    if isinstance(found, CallError):
        assert found.message.endswith("."), shown
        assert len(found.message) < 300, shown
        # A submit may have been taken, nobody knows; and no look stops all work with the vendor.
        assert isinstance(found, Unknown if example.said["call"] == "submit" else Unknown | Rejected), shown
    else:
        assert isinstance(found, Accepted | Running | Finished | Failed), shown
        assert (isinstance(found, Failed) and found.billed) or kind_of(found) in documented(adapter, example), shown
    if isinstance(found, Accepted):
        assert isinstance(found.external_id, str), shown
        assert found.external_id, shown
    assert all(type(units) is int and units >= 0 for units in getattr(found, "units", {}).values()), shown
    if isinstance(found, Finished):
        assert all(bool(o.url) + bool(o.path) + (o.content is not None) == 1 for o in found.outputs), shown


@pytest.mark.slow
@pytest.mark.parametrize("pair", READABLE, ids=named)
def test_nonsense_is_a_sentence_and_frees_no_money(pair, tmp_path):
    adapter, example = pair
    steps = [number for number, answer in enumerate(example.said["answers"]) if "body" in answer]
    with playing([]) as recorder:
        for step in steps:
            for body, answers in nonsense_of(example, step):
                recorder.script[:] = answers
                check(play(example, adapter, recorder, tmp_path), adapter, example, body)


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
