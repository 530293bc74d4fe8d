"""When each word of a voice is spoken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers.adapters.elevenlabs import ElevenLabs
from tests.providers.recorded import adapter_at, examples_of, playing

from .conftest import TEXT, account, cues


def spoken(tmp_path, request, *, letters=None, step=0.1):
    """The answer to a request whose letters are said to take a tenth of a second each."""
    (fine,) = [example.answers() for example in examples_of("elevenlabs") if example.name == "submit"]
    letters = list(request.prompt) if letters is None else letters
    fine[0]["body"]["alignment"] = {
        "characters": letters,
        "character_start_times_seconds": [place * step for place in range(len(letters))],
        "character_end_times_seconds": [(place + 1) * step for place in range(len(letters))],
    }
    with playing(fine) as recorder:
        return adapter_at(ElevenLabs, recorder.url, tmp_path).submit(request)


def test_each_word_has_its_time(eleven, voice):
    told = cues(eleven.submit(voice))
    assert [word for word, _, _ in told] == TEXT.split()
    assert all(start < end for _, start, end in told)
    assert all(one[2] <= other[1] for one, other in zip(told, told[1:], strict=False))


def test_the_pause_behind_a_word_is_not_its_own(tmp_path, voice):
    assert cues(spoken(tmp_path, replace(voice, prompt="Hi. — “So”"))) == [("Hi.", 0, 200), ("“So”", 600, 900)]


def test_where_no_spaces_stand_a_cue_goes_up_to_the_next_stop(tmp_path, voice):
    assert [word for word, _, _ in cues(spoken(tmp_path, replace(voice, prompt="海は、広い。空も広い。")))] == [
        "海は、",
        "広い。",
        "空も広い。",
    ]


@pytest.mark.parametrize(("offer", "words"), [("eleven_v3", ["Hush", "now."]), ("eleven_flash_v2_5", None)])
def test_directions_in_brackets_are_no_words(tmp_path, voice, offer, words):
    request = replace(voice, offer=offer, prompt="[whispers softly] Hush [sighs]now.")
    assert [word for word, _, _ in cues(spoken(tmp_path, request))] == (words or request.prompt.split())


def test_an_hour_is_written_as_one(tmp_path, voice):
    assert cues(spoken(tmp_path, replace(voice, prompt="So it is"), step=3600.0))[-1] == ("is", 21_600_000, 28_800_000)


@pytest.mark.parametrize(
    "letters", [[], list("Hi you"), list("Hi The"), ["Hi", " ", "there"], [*"Hi there", ""], [None] * 8]
)
def test_times_of_another_text_are_left_out(tmp_path, voice, letters):
    answer = spoken(tmp_path, replace(voice, prompt="Hi there"), letters=letters)
    assert [output.role for output in answer.outputs] == [""]


@pytest.mark.parametrize("text", ["…", "\U0001f600 —"])
def test_where_there_is_no_word_there_are_no_captions(tmp_path, voice, text):
    assert len(spoken(tmp_path, replace(voice, prompt=text)).outputs) == 1


def test_what_cannot_be_printed_does_not_cost_the_voice(tmp_path, voice):
    assert [word for word, _, _ in cues(spoken(tmp_path, replace(voice, prompt="So\x07 \u200bit is\x00")))] == [
        "So",
        "it",
        "is",
    ]


def test_without_an_alignment_the_voice_stands_alone(vendors, eleven, voice):
    account(vendors, aligns=False)
    assert [output.role for output in eleven.submit(voice).outputs] == [""]


def test_numbers_that_were_spelt_out_do_no_harm(eleven, voice):
    assert "24" in [word for word, _, _ in cues(eleven.submit(replace(voice, prompt="In 24 hours.")))]
