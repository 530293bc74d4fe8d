from __future__ import annotations

import re
import string

import pytest

from providers.adapters.studio import Studio
from providers.adapters.studio.pacing import seconds_to_say
from providers.adapters.studio.topic import LONGEST, set_in, spoken_topic
from providers.adapters.studio.voice import choose_voice, speak
from providers.adapters.studio.words import LANGUAGES
from providers.exceptions import Rejected
from providers.types import Capability

pytestmark = pytest.mark.slow

ROLES = ("hook", "background", "detail", "example", "turn", "close")
TOPICS = {
    "en": "Why do cats purr?",
    "de": "Die Geschichte des Kaffees",
    "es": "Por qué brilla la luna",
    "fr": "Les ponts de Paris",
}


def script(studio, topic="The history of coffee", *, language="en", seed=1, **extra):
    return studio(Capability.SCRIPT, topic, language=language, seed=seed, extra=extra).answer


def test_a_script_has_all_its_parts(studio):
    answer = script(studio, scenes=5, seconds=40, aspect_ratio="9:16", notes="friendly")
    assert set(answer) == {"title", "hook", "description", "hashtags", "scenes"}
    assert len(answer["scenes"]) == 5
    assert answer["scenes"][0]["narration"].startswith(answer["hook"])
    assert all(re.fullmatch(r"#\w+", tag) for tag in answer["hashtags"])
    for scene in answer["scenes"]:
        assert set(scene) == {"narration", "visual_prompt", "seconds", "hero"}
        assert "upright format" in scene["visual_prompt"]
    assert answer["scenes"][0]["hero"] is True
    assert not all(scene["hero"] for scene in answer["scenes"])


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_dozen_different_sentences(language, role):
    sentences = getattr(LANGUAGES[language], role)
    assert len(set(sentences)) >= 12
    for sentence in sentences:
        fields = {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}
        assert fields == ({"topic"} if role == "hook" else set())
        assert sentence[-1] in ".?!"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("scenes, seconds", [(1, 6), (3, 15), (4, 30), (6, 60), (12, 90), (4, 100)])
def test_the_planned_seconds_add_up_to_what_was_asked_for(studio, language, scenes, seconds):
    answer = script(studio, TOPICS[language], language=language, scenes=scenes, seconds=seconds)
    planned = [scene["seconds"] for scene in answer["scenes"]]
    assert len(planned) == scenes
    assert sum(planned) == pytest.approx(seconds, rel=0.1)
    assert max(planned) < 2 * seconds / scenes


@pytest.mark.ffmpeg
@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("seeds", [range(1), pytest.param(range(1, 4), marks=pytest.mark.slow)])
def test_the_voice_takes_as_long_as_planned(studio, tmp_path, language, seeds):
    for seed in seeds:
        answer = script(studio, TOPICS[language], language=language, seed=seed, scenes=5, seconds=35)
        for scene in answer["scenes"]:
            voice = choose_voice("", language)
            said = speak(scene["narration"], voice=voice, out=tmp_path / "voice.wav", timeout_s=20)
            assert said == pytest.approx(scene["seconds"], rel=0.15), scene["narration"]


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_no_sentence_comes_twice_in_a_video(studio, language):
    for seed in range(5):
        answer = script(studio, TOPICS[language], language=language, seed=seed, scenes=6, seconds=50)
        said = " ".join(scene["narration"] for scene in answer["scenes"])
        sentences = [s for s in re.split(r"(?<=[.?!])\s+", said) if s]
        assert len(sentences) == len(set(sentences))


def test_seeds_give_different_scripts_and_one_seed_the_same(studio):
    assert script(studio, seed=1) == script(studio, seed=1)
    texts = {script(studio, seed=seed)["scenes"][1]["narration"] for seed in range(12)}
    assert len(texts) >= 8


def test_a_video_keeps_one_mood_and_changes_its_motif(studio):
    prompts = [s["visual_prompt"] for s in script(studio, "Coffee at night", scenes=6, seconds=45)["scenes"]]
    assert all(" at night, " in prompt for prompt in prompts)
    assert len({prompt.split(" at night")[0] for prompt in prompts}) == 6
    assert re.search("still life|table", prompts[0])


@pytest.mark.parametrize(
    "topic, spoken",
    [
        ("The history of coffee", "The history of coffee"),
        ("  Why do cats purr??  ", "Why do cats purr?"),
        ('He said "100% of [bees]: {gone}"', "He said 100% of bees: gone"),
        ("🐝 Honey 🍯", "Honey"),
        ("Bread & butter", "Bread & butter"),
        ("¿Por qué sueñan los gatos?", "¿Por qué sueñan los gatos?"),
        ("¿Por qué sueñan los gatos, y " + "por qué " * 10 + "?", "Por qué sueñan los gatos"),
        ("Eggs at 62°C", "Eggs at 62°C"),
        ("First line\nSecond line", "First line"),
        ("See https://example.com/a?b=c now", "See now"),
        ("Rock'n'roll – don't stop", "Rock'n'roll don't stop"),
        ("🐝🍯🔥", "a thing without words"),
        ("", "a thing without words"),
        ("...", "a thing without words"),
        ("[[h@'loU]]", "h loU"),
    ],
)
def test_a_topic_becomes_a_phrase_one_can_say(topic, spoken):
    assert spoken_topic(topic, instead="a thing without words") == spoken


@pytest.mark.parametrize(
    "topic", ["word " * 1000, "x" * 5000, "One clause here, and then " + "more " * 900, "a. " * 2000]
)
def test_a_long_topic_is_cut_between_words(topic):
    spoken = spoken_topic(topic, instead="")
    assert 0 < len(spoken) <= LONGEST
    assert spoken == spoken.strip()


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("topic", ["🐝🍯", "word " * 1000, "\"'{}%s[[x]]\\N: <b>&amp;", "\ud800", "日本の夏"])
def test_any_topic_gives_a_script_that_can_be_published(studio, language, topic):
    answer = script(studio, topic, language=language, scenes=4, seconds=30)
    everything = " ".join([answer["title"], answer["description"], *(s["narration"] for s in answer["scenes"])])
    assert not re.search(r"[{}\[\]<>\\]|\s\s|: \.|\?\.|None", everything)
    assert 20 <= sum(scene["seconds"] for scene in answer["scenes"]) <= 40
    assert 1 <= len(answer["title"]) <= 120
    assert len(answer["hashtags"]) >= 3


def test_a_question_is_not_followed_by_a_full_stop():
    assert set_in("One thing: {topic}.", "Why?") == "One thing: Why?"
    assert set_in("{topic}: a closer look", "tea") == "Tea: a closer look"


def test_a_language_it_cannot_write_is_refused_with_those_it_can(studio):
    with pytest.raises(Rejected) as refusal:
        script(studio, language="ja")
    assert "“ja”" in refusal.value.message
    assert all(name in refusal.value.message for name in ("English", "German", "Spanish", "French"))


def test_a_regional_language_is_its_language(studio):
    assert script(studio, language="de-AT")["hashtags"][-1] in LANGUAGES["de"].hashtags


@pytest.mark.parametrize("extra", [{}, {"scenes": 0, "seconds": None}, {"scenes": 500, "seconds": 1}])
def test_missing_or_odd_numbers_still_give_a_script(studio, extra):
    assert 1 <= len(script(studio, **extra)["scenes"]) <= 40


def test_longer_text_takes_longer_to_say():
    assert seconds_to_say("One short line.", "en") < seconds_to_say("One short line, and then another one.", "en")
    assert seconds_to_say("It was in 1998.", "en") > seconds_to_say("It was in May.", "en")


def test_the_offers_cover_the_capabilities():
    assert {offer.capability for offer in Studio.offers} == Studio.capabilities
    assert len({offer.name for offer in Studio.offers}) == len(Studio.offers)
