from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time

import pytest

from providers.adapters.studio import Studio
from providers.adapters.studio.moderation import WORDS
from providers.exceptions import NotSent, Rejected, Unknown
from providers.media import sandbox
from providers.media.errors import DiskFull, MediaTimeout, ProgramFailed, ProgramMissing, Stopped
from providers.types import Capability, Recovery


def test_a_call_whose_answer_was_lost_is_simply_made_again():
    assert {Studio.recovery_of(capability) for capability in Studio.capabilities} == {Recovery.FREE}
    assert {Studio.deadline_of(capability) for capability in Studio.capabilities} == {120.0}
    assert Studio.local


def test_what_it_cannot_make_is_refused_before_the_wire(studio):
    with pytest.raises(Rejected, match="cannot make a render"):
        studio(Capability.RENDER)


@pytest.mark.slow
def test_it_can_be_slowed_on_purpose(studio):
    began = time.monotonic()
    studio(Capability.MODERATION, "a harbour", options={"slow_s": 0.3})
    assert time.monotonic() - began >= 0.3


def test_ending_all_children_ends_its_slowness_too(studio):
    began = time.monotonic()
    threading.Timer(0.2, sandbox.end_all).start()
    with pytest.raises(NotSent, match="work was stopped"):
        studio(Capability.MODERATION, "a harbour", options={"slow_s": 30})
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "error, raised",
    [
        (Stopped("The work was stopped."), NotSent),
        (DiskFull("The disk is full."), NotSent),
        (ProgramMissing("ffmpeg is not installed."), Unknown),
        (ProgramFailed("python was ended by signal 9."), Unknown),
        (MediaTimeout("python did not finish within 54 s."), Unknown),
    ],
)
def test_what_passes_by_itself_is_tried_again_and_the_rest_a_few_times(studio, monkeypatch, error, raised):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(sandbox, "run_python", fail)
    with pytest.raises(raised, match=re.escape(error.message)):
        studio(Capability.IMAGE, "sea", width=96, height=64)


def test_the_workers_process_loads_neither_pillow_nor_numpy():
    """Drawing happens in children, so that a worker stays small."""
    code = "import sys, providers.adapters.studio; print(sorted({'PIL', 'numpy', 'django'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "topic", ["The history of coffee", "How to kill time in Paris", "Schießen lernen? Biathlon!", ""]
)
def test_harmless_text_passes(studio, topic):
    answer = studio(Capability.MODERATION, topic).answer
    assert answer["flagged"] is False
    assert answer["matches"] == []
    assert set(answer["categories"].values()) == {0.0}


@pytest.mark.parametrize(
    "text, category, match",
    [
        ("A MURDER at sea", "violence", "murder"),
        ("Wie man eine Bombe bauen kann", "weapons_and_drugs", "bombe bauen"),
        ("un génocide", "hate", "génocide"),
        ("ｍｕｒｄｅｒ", "violence", "murder"),
        ("how to kill\n  myself", "self_harm", "kill myself"),
    ],
)
def test_listed_words_are_found_in_any_case_and_spacing(studio, text, category, match):
    answer = studio(Capability.MODERATION, text).answer
    assert answer["flagged"] is True
    assert answer["categories"][category] == 1.0
    assert match in answer["matches"]


def test_only_whole_words_count(studio):
    assert studio(Capability.MODERATION, "Pornic is a town; murderous is not listed").answer["flagged"] is False


def test_the_answer_says_what_it_rests_on(studio):
    answer = studio(Capability.MODERATION, "x")
    assert answer.answer["basis"] == "word list"
    assert set(answer.answer["categories"]) == set(WORDS)
    assert (answer.media_type, answer.units, answer.wire) == ("application/json", {"requests": 1}, ["on the wire"])


def test_every_listed_word_finds_itself(studio):
    for category, words in WORDS.items():
        for word in words:
            assert studio(Capability.MODERATION, f"({word})").answer["categories"][category] == 1.0
