"""Voices: POST /audio/speech. Bare sound says nothing of its price; events do, and the newer models can send them.

https://developers.openai.com/api/docs/guides/text-to-speech (read 2026-11-21). All of its models end on 2027-01-06.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any

from ...answers import Said
from ...exceptions import Rejected, Unknown
from ...file_types import HEAD_BYTES, sniff
from ...types import Finished, Output, Request
from .bodies import with_own

MOST_LETTERS = 4096
MOST_INPUT_TOKENS = 2000  # of gpt-4o-mini-tts
MOST_TOKENS_A_LETTER = 5  # of sound; about 1.3 were seen in English. No ceiling is documented: this one is ours
LEAST_TOKENS = 100  # set aside for the shortest word, which has silence around it
MEDIA_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "opus": "audio/ogg"}


def body(request: Request) -> dict[str, Any]:
    if len(request.prompt) > MOST_LETTERS:
        raise Rejected(
            f"OpenAI speaks at most {MOST_LETTERS:,} characters at once, and the text has {len(request.prompt):,}."
        )
    asked = {
        "model": request.offer,
        "input": request.prompt,
        "voice": request.voice or "alloy",
        "response_format": "mp3",
        "stream_format": "sse" if tells_usage(request.offer) else None,
    }
    return with_own(asked, request)


def tells_usage(model: str) -> bool:
    return model.startswith("gpt-")  # tts-1 and tts-1-hd refuse `sse`; servers of one's own rarely know it


def read(label: str, content: bytes, request: Request) -> Finished:
    units = {"characters": len(request.prompt)}
    if content.lstrip().startswith((b"data:", b"event:")):
        content, tokens = _of_events(label, content)
        units |= tokens
    media_type = MEDIA_TYPES.get(str(request.own.get("response_format", "mp3")), "audio/mpeg")
    if not sniff(content[:HEAD_BYTES], declared=media_type).startswith("audio/"):
        shown = content[:500].decode("utf-8", "replace")
        raise Unknown(f"{label} answered something that is no sound.", detail=shown)
    return Finished(outputs=(Output(content=content, media_type=media_type),), units=units)


def _of_events(label: str, content: bytes) -> tuple[bytes, dict[str, int]]:
    """The whole sound, and its tokens; a stream that breaks off before its last event is no answer."""
    sound = []
    for event in _events(label, content):
        match event.text("type", default=""):
            case "speech.audio.delta":
                try:
                    sound.append(base64.b64decode(event.text("audio")))
                except (binascii.Error, ValueError):
                    raise event.unusable("sound") from None
            case "speech.audio.done":
                return b"".join(sound), _tokens(event)
            case "error":
                raise event.unusable("a sound")
    raise Unknown(f"{label} broke off in the middle of a sound.")


def _events(label: str, content: bytes) -> Iterator[Said]:
    for line in content.splitlines():
        if line.startswith(b"data:"):
            try:
                yield Said(label, json.loads(line[5:]))
            except (ValueError, RecursionError):
                raise Unknown(f"{label} answered something unreadable.") from None


def _tokens(event: Said) -> dict[str, int]:
    if not event.has("usage", "output_tokens"):
        return {}
    return {name: event.whole("usage", name, default=0) for name in ("input_tokens", "output_tokens")}


def most_output_tokens(request: Request) -> int:
    return max(LEAST_TOKENS, len(request.prompt) * MOST_TOKENS_A_LETTER)
