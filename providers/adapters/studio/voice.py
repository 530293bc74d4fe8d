"""The voice: the system's espeak-ng, its text on stdin and never read as markup, the peak set to -3 dBFS."""

from __future__ import annotations

import array
import re
import wave
from collections.abc import Iterator
from pathlib import Path

from ...exceptions import Rejected
from ...media import sandbox
from .pacing import WORDS_PER_MINUTE

PEAK = 10 ** (-3 / 20)  # of full scale; espeak-ng itself goes up to -0.04 dBFS
BLOCK = 65536
PLANTED_SILENCE_S = 2.0

LANGUAGE_NAMES = {
    "en": "English",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "nl": "Dutch",
    "pt": "Portuguese",
}
# Names as espeak-ng has them (its "en" is British): language, and after the plus a variant of the speaker. After an
# alias it ignores the variant without a word (1.51: "fr+f3" works, "fr-fr+f3" does not). The first is the default.
VOICES: dict[str, tuple[str, ...]] = {
    "en": ("en-us", "en-us+f3", "en-us+m3", "en", "en+f2"),
    "de": ("de", "de+f3", "de+m3"),
    "es": ("es", "es+f3", "es-419"),
    "fr": ("fr", "fr+f3", "fr+m3"),
    "it": ("it", "it+f3"),
    "nl": ("nl", "nl+f3"),
    "pt": ("pt-br", "pt-br+f3", "pt"),
}


def choose_voice(voice: str, language: str) -> str:
    """`voice` where it speaks the language, else that language's own: a German text is not read by an English voice."""
    code = language.replace("_", "-").split("-")[0].lower()
    if code not in VOICES:
        known = ", ".join(LANGUAGE_NAMES[c] for c in VOICES)
        raise Rejected(f"The studio has no voice for the language “{language[:40]}”. It speaks {known}.")
    every = [name for names in VOICES.values() for name in names]
    if voice and voice not in every:
        raise Rejected(
            f"The studio has no voice named “{voice[:60]}”. For this language it has {', '.join(VOICES[code])}."
        )
    return voice if voice in VOICES[code] else VOICES[code][0]


def speak(text: str, *, voice: str, out: Path, timeout_s: float, silence: bool = False) -> float:
    """Writes a WAV (16 bit, mono); its seconds. `silence` plants two seconds of it in the middle."""
    raw = out.with_name("raw.wav")
    args = ["espeak-ng", "-v", voice, "-s", str(WORDS_PER_MINUTE), "--stdin", "-b", "1", "-w", str(raw)]
    sandbox.run(args, stdin=speakable(text).encode(), timeout_s=timeout_s)
    with wave.open(str(raw), "rb") as source, wave.open(str(out), "wb") as target:
        target.setparams(source.getparams())
        rate, frames = source.getframerate(), source.getnframes()
        loudest = max((_loudest(block) for block in _blocks(source)), default=0)
        if not loudest:
            raise Rejected("There is nothing to say in this narration. Write at least one word that can be spoken.")
        source.rewind()
        pause = b"\0\0" * round(PLANTED_SILENCE_S * rate) if silence else b""
        _copy(source, target, gain=PEAK * 32767 / loudest, pause=pause, pause_at=frames // 2)
        length = (frames + len(pause) // 2) / rate
    raw.unlink()
    return length


def speakable(text: str) -> str:
    """Without brackets, whose double form makes espeak-ng read phoneme codes, and without control characters."""
    text = re.sub(r"[\[\]]+", " ", text)
    return "".join(c if c.isprintable() else " " for c in text if not 0xD800 <= ord(c) <= 0xDFFF).strip() + "\n"


def _blocks(source: wave.Wave_read) -> Iterator[array.array[int]]:
    while content := source.readframes(BLOCK):
        yield array.array("h", content)


def _loudest(samples: array.array[int]) -> int:
    return max(max(samples), -min(samples))


def _copy(source: wave.Wave_read, target: wave.Wave_write, *, gain: float, pause: bytes, pause_at: int) -> None:
    done = 0
    for samples in _blocks(source):
        content = array.array("h", [int(value * gain) for value in samples]).tobytes()
        if pause and done <= pause_at < done + len(samples):
            cut = (pause_at - done) * 2
            content = content[:cut] + pause + content[cut:]
        target.writeframes(content)
        done += len(samples)
