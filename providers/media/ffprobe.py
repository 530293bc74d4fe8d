"""What a media file holds: the container from its first bytes, the streams from ffprobe with that demuxer forced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from .errors import BadMedia, MediaError, ProgramFailed
from .sandbox import run

PROBE_TIMEOUT_S = 30.0

DEMUXERS = {
    "mov": "mov",
    "matroska": "matroska",
    "mp3": "mp3",
    "wav": "wav",
    "ogg": "ogg",
    "flac": "flac",
    "png": "png_pipe",
    "jpeg": "jpeg_pipe",
    "webp": "webp_pipe",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoStream:
    codec: str
    width: int
    height: int
    fps: float
    duration_s: float
    pixel_format: str
    frames: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStream:
    codec: str
    sample_rate: int
    channels: int
    duration_s: float
    bitrate_kbps: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    format: str
    duration_s: float
    size_bytes: int
    bitrate_kbps: float
    video: tuple[VideoStream, ...]
    audio: tuple[AudioStream, ...]
    other_streams: int


def sniff(path: Path) -> str:
    """A key of DEMUXERS, or "" when the first bytes are none that we read."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise MediaError(f"The file {path.name} cannot be read.", detail=str(error)) from error
    return _kind_of(head)


def _kind_of(head: bytes) -> str:
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "mov"
    if head[:4] == b"RIFF":
        return {b"WAVE": "wav", b"WEBP": "webp"}.get(head[8:12], "")
    starts = {
        b"\x1aE\xdf\xa3": "matroska",
        b"OggS": "ogg",
        b"fLaC": "flac",
        b"\x89PNG\r\n\x1a\n": "png",
        b"\xff\xd8\xff": "jpeg",
        b"ID3": "mp3",
    }
    for magic, kind in starts.items():
        if head.startswith(magic):
            return kind
    # MPEG audio frame: eleven set bits, then a layer that is not the reserved one (which AAC uses).
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06:
        return "mp3"
    return ""


def input_args(path: Path) -> list[str]:
    """How ffmpeg and ffprobe are given a file: demuxer forced, no protocol but file, no name read as an option."""
    kind = sniff(path)
    if not kind:
        raise BadMedia(f"The file {path.name} is no video, sound or picture of a kind we read.")
    return ["-f", DEMUXERS[kind], "-protocol_whitelist", "file", "-i", f"file:{path.absolute()}"]


def probe(path: Path) -> MediaInfo:
    args = ["ffprobe", "-hide_banner", "-loglevel", "error", "-show_format", "-show_streams", "-of", "json"]
    try:
        done = run([*args, *input_args(path)], timeout_s=PROBE_TIMEOUT_S, max_stdout=4 * 1024 * 1024)
    except ProgramFailed as error:
        raise BadMedia(
            f"The file {path.name} is damaged or not what its first bytes say.", detail=error.detail
        ) from error
    return _info(path, json.loads(done.stdout or b"{}"))


def _info(path: Path, answer: Mapping[str, Any]) -> MediaInfo:
    whole = answer.get("format", {})
    duration_s = _number(whole.get("duration"))
    video: list[VideoStream] = []
    audio: list[AudioStream] = []
    streams = answer.get("streams", [])
    for stream in streams:
        if stream.get("codec_type") == "video" and not stream.get("disposition", {}).get("attached_pic"):
            video.append(_video(stream, duration_s))
        elif stream.get("codec_type") == "audio":
            audio.append(_audio(stream, duration_s))
    return MediaInfo(
        format=sniff(path),
        duration_s=duration_s,
        size_bytes=path.stat().st_size,
        bitrate_kbps=_number(whole.get("bit_rate")) / 1000,
        video=tuple(video),
        audio=tuple(audio),
        other_streams=len(streams) - len(video) - len(audio),
    )


def _video(stream: Mapping[str, Any], whole_s: float) -> VideoStream:
    return VideoStream(
        codec=str(stream.get("codec_name", "")),
        width=int(stream.get("width", 0)),
        height=int(stream.get("height", 0)),
        fps=_rate(stream.get("avg_frame_rate")) or _rate(stream.get("r_frame_rate")),
        duration_s=_number(stream.get("duration")) or whole_s,
        pixel_format=str(stream.get("pix_fmt", "")),
        frames=int(stream["nb_frames"]) if str(stream.get("nb_frames", "")).isdigit() else None,
    )


def _audio(stream: Mapping[str, Any], whole_s: float) -> AudioStream:
    bit_rate = _number(stream.get("bit_rate"))
    return AudioStream(
        codec=str(stream.get("codec_name", "")),
        sample_rate=int(_number(stream.get("sample_rate"))),
        channels=int(stream.get("channels", 0)),
        duration_s=_number(stream.get("duration")) or whole_s,
        bitrate_kbps=bit_rate / 1000 if bit_rate else None,
    )


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return 0.0


def _rate(text: Any) -> float:
    try:
        return float(Fraction(str(text)))
    except (ValueError, ZeroDivisionError):
        return 0.0
