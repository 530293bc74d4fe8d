"""Facts of a voiceover, from its decoded samples."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from providers.media.audio import measure_voice
from providers.media.errors import MediaError
from providers.media.ffmpeg import decode
from providers.media.ffprobe import sniff

from ..types import VoiceFacts
from .failure import sentence_of

PICTURES = ("png", "jpeg", "webp")
STREAMED = 0x7FFFF000  # sizes from here on stand for "not known yet"


def measure_voiceover(path: Path) -> VoiceFacts:
    size_bytes = path.stat().st_size
    if not size_bytes:
        return VoiceFacts(error="The file is empty.")
    try:
        if sniff(path) in PICTURES:
            return VoiceFacts(error="The file is a picture and no sound.", size_bytes=size_bytes)
        measured = measure_voice(path)
        if not _has_no_stated_end(path):
            decode(path)  # the samples that are there do not tell how many are missing
    except MediaError as error:
        return VoiceFacts(error=sentence_of(error), size_bytes=size_bytes)
    return VoiceFacts(size_bytes=size_bytes, **asdict(measured))


def _has_no_stated_end(path: Path) -> bool:
    """True for a WAV that was sent while it was spoken: its header was written before the length was known."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and not 0 < int.from_bytes(head[4:8], "little") < STREAMED
