"""Facts of a voiceover, from its decoded samples."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from providers.media.audio import measure_voice
from providers.media.ffprobe import sniff
from providers.media.sandbox import MediaError

from ..types import VoiceFacts
from .failure import sentence_of

PICTURES = ("png", "jpeg", "webp")


def measure_voiceover(path: Path) -> VoiceFacts:
    size_bytes = path.stat().st_size
    if not size_bytes:
        return VoiceFacts(error="The file is empty.")
    try:
        if sniff(path) in PICTURES:
            return VoiceFacts(error="The file is a picture and no sound.", size_bytes=size_bytes)
        measured = measure_voice(path)
    except MediaError as error:
        return VoiceFacts(error=sentence_of(error), size_bytes=size_bytes)
    return VoiceFacts(size_bytes=size_bytes, **asdict(measured))
