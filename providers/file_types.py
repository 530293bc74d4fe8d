"""What a file is by its first bytes, from our own short table. A name or a vendor's word is not asked."""

from __future__ import annotations

import codecs
import re

HEAD_BYTES = 4096
EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/ogg": "ogg",
    "application/json": "json",
    "application/x-subrip": "srt",
    "text/vtt": "vtt",
    "text/plain": "txt",
}
SRT = re.compile(r"\s*\d+\s*\r?\n\d{1,2}:\d\d:\d\d[,.]\d{3} --> ")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def sniff(head: bytes, *, declared: str = "") -> str:
    """The media type, "" for what we do not keep. `declared` only tells sound from picture in an MP4."""
    return _picture(head) or _film_or_sound(head, declared) or _text(head)


def _picture(head: bytes) -> str:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return ""


def _film_or_sound(head: bytes, declared: str) -> str:
    if head[4:8] == b"ftyp":
        return _mp4_like(head[8:12], declared)
    if head[4:8] in (b"moov", b"wide"):
        return "video/quicktime"
    if head.startswith(b"\x1aE\xdf\xa3") and b"webm" in head[:64]:
        return "video/webm"
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return "audio/wav"
    if head.startswith(b"OggS"):
        return "audio/ogg"
    if head.startswith(b"ID3") or _is_mpeg_audio_frame(head):
        return "audio/mpeg"
    return ""


def _mp4_like(brand: bytes, declared: str) -> str:
    if brand == b"qt  ":
        return "video/quicktime"
    if brand in (b"M4A ", b"M4B ") or declared.startswith("audio/"):
        return "audio/mp4"
    return "" if brand in (b"avif", b"avis", b"heic", b"heix", b"mif1", b"crx ") else "video/mp4"


def _is_mpeg_audio_frame(head: bytes) -> bool:
    """Sync word, layer III, a bit rate and a sample rate that exist."""
    return (
        len(head) >= 4
        and head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and head[2] >> 4 not in (0x0, 0xF)
        and head[2] & 0x0C != 0x0C
    )


def _text(head: bytes) -> str:
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)  # a letter cut at the end is no error
    except UnicodeDecodeError:
        return ""
    start = text.lstrip()
    if not start or CONTROL.search(text) or start.startswith("<"):  # no HTML, no SVG
        return ""
    if start[0] in "{[":
        return "application/json"
    if start.startswith("WEBVTT"):
        return "text/vtt"
    return "application/x-subrip" if SRT.match(text) else "text/plain"
