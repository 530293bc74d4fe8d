from __future__ import annotations

import json

import pytest

from qc.measure.script import MAX_SCENES, measure_script, read_script
from qc.types import ScriptScene


def scene(**changes):
    return {"narration": "Bees dance.", "visual_prompt": "A hive", "seconds": 5, "hero": True, **changes}


def answer(**changes):
    whole = {"title": "Bees", "hook": "Why?", "description": "Of bees.", "hashtags": ["bees", "#nature"]}
    return {**whole, "scenes": [scene()], **changes}


def without(name, fields):
    return {key: value for key, value in fields.items() if key != name}


def error_of(value) -> str:
    facts = read_script(value if isinstance(value, str) else json.dumps(value))
    assert not facts.error or not (facts.title or facts.scenes)
    return facts.error


def test_a_script_is_read_whole():
    facts = read_script(json.dumps(answer(scenes=[scene(), scene(seconds=2.5, hero=False)])))
    assert (facts.error, facts.title, facts.hook, facts.description) == ("", "Bees", "Why?", "Of bees.")
    assert facts.hashtags == ("bees", "#nature")
    assert facts.scenes[1] == ScriptScene(narration="Bees dance.", visual_prompt="A hive", seconds=2.5, hero=False)
    assert (facts.seconds, facts.words) == (7.5, 4)


@pytest.mark.parametrize(
    "around", ["```json\n{}\n```", "```\n{}\n```", "\n ```JSON\r\n{}\r\n``` \n", "\ufeff{}", " {} "]
)
def test_a_fence_or_space_around_it_is_taken_off(around):
    assert error_of(around.replace("{}", json.dumps(answer()))) == ""


def test_hero_may_be_left_out():
    assert read_script(json.dumps(answer(scenes=[without("hero", scene())]))).scenes[0].hero is False


def test_fields_that_nobody_asked_for_are_left_alone():
    assert error_of(answer(provider="other", scenes=[scene(url="https://example.com")])) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The answer is empty."),
        (" \n ", "The answer is empty."),
        ("I cannot help with that.", "not JSON: it begins with “I cannot help"),
        ("Sure! Here it is:\n```json\n{}\n```", "not JSON: it begins with “Sure!"),
        ('{"title": "Bees", "hook": "Wh', "cut off"),
        ('{"title": "Bees", ', "cut off"),
        ('```json\n{"title": "Bees"', "cut off"),
        ("{'title': 'Bees'}", "not JSON"),
        ('{"title": "Bees"} Hope that helps!', "Something follows the JSON in line 1"),
        ("{}{}", "Something follows the JSON"),
        ("[1, 2]", "not an object"),
        ("```json\n3\n```", "not an object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 20_000, "nested too deeply"),
        ('{"seconds": NaN}', "number that cannot be read"),
        ('{"seconds": ' + "9" * 5000 + "}", "number that cannot be read"),
        ("x" * 200_001, "200,001 characters; at most 200,000"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_no_json_object_gets_a_sentence(text, said):
    assert said in error_of(text)


@pytest.mark.parametrize("name", ["title", "hook", "description", "hashtags", "scenes"])
@pytest.mark.parametrize("value", [None, 3, {"a": 1}, True])
def test_a_field_that_is_missing_or_of_another_kind_is_named(name, value):
    assert f"“{name}”" in error_of(answer(**{name: value}))
    assert f"“{name}”" in error_of(without(name, answer()))


@pytest.mark.parametrize("name", ["narration", "visual_prompt", "seconds"])
def test_a_field_missing_in_a_scene_is_named_with_the_scene(name):
    assert error_of(answer(scenes=[scene(), without(name, scene())])).startswith(f"Scene 2: “{name}”")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seconds": "5"}, "Scene 1: “seconds” is missing or no number."),
        ({"seconds": True}, "“seconds” is missing or no number"),
        ({"seconds": 0}, "above 0"),
        ({"seconds": -5}, "above 0"),
        ({"seconds": 1000}, "at most 120"),
        ({"seconds": 10**400}, "at most 120"),
        ({"hero": "yes"}, "“hero” is neither true nor false"),
        ({"narration": " \n"}, "“narration” is empty"),
        ({"narration": "\u202e\x00"}, "“narration” is empty"),
        ({"narration": "a" * 2001}, "“narration” has 2,001 characters; at most 2,000"),
        ({"visual_prompt": "a" * 2001}, "“visual_prompt” has 2,001 characters"),
        ({"narration": "Hi <script>alert(1)</script>"}, "“narration” holds markup (<script>)"),
        ({"narration": "See [this](javascript:alert(1))"}, "holds markup"),
        ({"visual_prompt": "<img src=x onerror=y>"}, "“visual_prompt” holds markup"),
    ],
)
def test_a_bad_scene_is_refused_with_its_place(changes, said):
    assert said in error_of(answer(scenes=[scene(**changes)]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scenes": []}, "The script has no scenes."),
        ({"scenes": [scene()] * 1000}, "The script has 1,000 scenes; at most 60 are taken."),
        ({"scenes": ["a"]}, "Scene 1 of the script is not an object"),
        ({"title": "a" * 201}, "“title” has 201 characters"),
        ({"hashtags": ["a"] * 31}, "31 hashtags"),
        ({"hashtags": ["a", 3]}, "Hashtag: “2” is missing or no text."),
        ({"hashtags": ["a" * 101]}, "Hashtag: “1” has 101 characters"),
    ],
)
def test_counts_and_lengths_are_limited(changes, said):
    assert said in error_of(answer(**changes))


def test_as_many_scenes_as_allowed_are_taken():
    assert error_of(answer(scenes=[scene()] * MAX_SCENES)) == ""


def test_comparisons_and_arrows_are_no_markup():
    assert error_of(answer(title="1 < 2 > 0, a <- b, <3")) == ""


def test_characters_that_no_person_types_are_taken_out():
    facts = read_script(json.dumps(answer(title="A\x00B\u202eC\ud800D\tE\x1b[31m", hook="one\ntwo")))
    assert (facts.title, facts.hook) == ("A BCD E [31m", "one\ntwo")
    facts.title.encode()


@pytest.mark.parametrize("character", ["\x00", "\t", "\x7f", "\x85", "\ud800", "\u202a", "\u202e", "\u2066", "\u2069"])
def test_each_of_them_is_found_where_all_else_is_plain(character):
    assert read_script(json.dumps(answer(title=f"A{character}B"))).title.replace(" ", "") == "AB"


def test_a_file_is_read(tmp_path):
    path = tmp_path / "script.json"
    path.write_text(json.dumps(answer(title="Bienen tanzen für Blüten")), encoding="utf-8")
    assert measure_script(path).title == "Bienen tanzen für Blüten"


@pytest.mark.parametrize(("content", "said"), [(b"\xff\xfe{\x00}\x00", "UTF-8"), (b"a" * 900_000, "800 KB")])
def test_a_file_that_is_no_text_or_too_large_gets_a_sentence(tmp_path, content, said):
    path = tmp_path / "script.json"
    path.write_bytes(content)
    assert said in measure_script(path).error
