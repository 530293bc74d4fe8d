from __future__ import annotations

import array
import math
import wave

import pytest

from providers.adapters.studio.offers import OFFERS
from providers.adapters.studio.voice import VOICES, choose_voice, speakable
from providers.exceptions import Rejected, Unknown
from providers.types import Capability

TEXTS = {
    "en": "Most of us pass it by without a thought.",
    "de": "Die meisten gehen achtlos daran vorbei.",
    "es": "Casi todos pasamos de largo sin pensarlo.",
    "fr": "La plupart d’entre nous passent devant sans y penser.",
}


def samples(path):
    with wave.open(str(path)) as sound:
        content = array.array("h", sound.readframes(sound.getnframes()))
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        return content, sound.getframerate()


def length(path):
    content, rate = samples(path)
    return len(content) / rate


def longest_silence(path):
    content, rate = samples(path)
    longest = run = 0
    for value in content:
        run = run + 1 if abs(value) < 40 else 0
        longest = max(longest, run)
    return longest / rate


@pytest.mark.ffmpeg
@pytest.mark.parametrize("language", sorted(TEXTS))
def test_it_speaks(studio, language):
    said = studio(Capability.VOICEOVER, TEXTS[language], language=language)
    content, rate = samples(said.path)
    assert rate >= 22050
    assert 1.5 < len(content) / rate < 5
    assert said.media_type == "audio/wav"
    assert said.units == {"characters": len(TEXTS[language])}
    assert rate * 16 >= 64_000  # bits per second


@pytest.mark.ffmpeg
@pytest.mark.parametrize("language", sorted(TEXTS))
def test_the_peak_is_three_decibels_below_full_scale(studio, language):
    content, _ = samples(studio(Capability.VOICEOVER, TEXTS[language], language=language).path)
    assert 20 * math.log10(max(map(abs, content)) / 32768) == pytest.approx(-3, abs=0.1)


@pytest.mark.ffmpeg
@pytest.mark.parametrize("language", sorted(VOICES))
def test_every_voice_on_offer_speaks_and_sounds_different(studio, language):
    asked = ("", *VOICES[language])
    said = [studio(Capability.VOICEOVER, "Radio. Piano.", voice=voice, language=language).path for voice in asked]
    sounds = [path.read_bytes() for path in said]
    assert min(map(length, said)) > 0.5
    assert sounds[0] == sounds[1]  # no voice named: the first
    assert len(set(sounds)) == len(VOICES[language])


@pytest.mark.ffmpeg
@pytest.mark.parametrize("seed", [1, 2])
def test_the_planted_silence_is_two_seconds_whatever_the_seed(studio, seed):
    sound = studio(Capability.VOICEOVER, TEXTS["en"], seed=seed)
    flawed = studio(Capability.VOICEOVER, TEXTS["en"], seed=seed, extra={"flaw": "silence"})
    assert longest_silence(sound.path) < 0.6
    assert 2.0 <= longest_silence(flawed.path) < 2.4
    assert length(flawed.path) == pytest.approx(length(sound.path) + 2, abs=0.01)
    content, rate = samples(flawed.path)
    assert not any(content[len(content) // 2 - rate // 2 : len(content) // 2 + rate // 2])


@pytest.mark.ffmpeg
def test_double_brackets_are_not_read_as_phonemes(studio):
    """espeak-ng would say "hello" for these codes; neutralised they are letters and take longer."""
    coded = "[[h@l'oU]] [[[[h@l'oU]]"
    plain = studio(Capability.VOICEOVER, coded.replace("[", " ").replace("]", " "))
    assert studio(Capability.VOICEOVER, coded).path.read_bytes() == plain.path.read_bytes()


@pytest.mark.ffmpeg
def test_markup_is_not_obeyed(studio):
    """With SSML on, the break would be four seconds of silence."""
    said = studio(Capability.VOICEOVER, '<speak>One <break time="4s"/> two</speak>')
    assert longest_silence(said.path) < 1.5


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    "text", ["-f /etc/passwd", "--help", "; touch x", "nul\x00 and \ud800 and \x1b[31m red", "100 % : {0}"]
)
def test_hostile_text_is_only_said(studio, text):
    assert length(studio(Capability.VOICEOVER, text).path) > 0.2


@pytest.mark.ffmpeg
@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_nothing_to_say_is_refused(studio, text):
    with pytest.raises(Rejected, match="nothing to say"):
        studio(Capability.VOICEOVER, text)


def test_a_language_without_a_voice_is_refused_with_those_there_are(studio):
    with pytest.raises(Rejected) as refusal:
        studio(Capability.VOICEOVER, "こんにちは", language="ja")
    assert "“ja”" in refusal.value.message
    assert "English, German, Spanish, French" in refusal.value.message


def test_an_unknown_voice_is_refused_with_those_of_the_language(studio):
    with pytest.raises(Rejected, match="no voice named “Rachel”. For this language it has de, "):
        studio(Capability.VOICEOVER, "Hallo", voice="Rachel", language="de")


def test_a_voice_of_another_language_gives_way_to_the_languages_own():
    assert choose_voice("en+f2", "de-CH") == "de"
    assert choose_voice("de+f3", "de") == "de+f3"
    assert choose_voice("", "fr") == "fr"


def test_a_missing_synthesiser_is_named_with_the_way_to_install_it(studio, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unknown, match="espeak-ng is not installed.*apt-get install espeak-ng"):
        studio(Capability.VOICEOVER, "Hello")


def test_a_text_too_long_is_refused_with_both_numbers(studio):
    with pytest.raises(Rejected, match="6000 characters; the studio reads at most 5000"):
        studio(Capability.VOICEOVER, "x" * 6000)


def test_no_bracket_or_control_character_is_left():
    assert speakable("a [[b]] [[[c \x00\x07 d") == "a  b   c    d\n"


def test_the_offered_voices_are_those_it_has_for_languages_that_it_writes_in():
    (offer,) = (offer for offer in OFFERS if offer.capability is Capability.VOICEOVER)
    offered = [(language, name) for language, name, _label in offer.voices]
    assert offered == [(language, name) for language in ("en", "de", "es", "fr") for name in VOICES[language]]
