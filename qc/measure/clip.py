"""Facts of a clip: what its header says, and whether every frame can be read."""

from __future__ import annotations

from pathlib import Path

from providers.media.errors import MediaError
from providers.media.ffmpeg import decode
from providers.media.ffprobe import MediaInfo, probe

from ..types import ClipFacts
from .failure import sentence_of

CONTAINERS = ("mov", "matroska")
MAX_SIDE_PX = 8192
MAX_DURATION_S = 3600.0
MAX_STREAMS = 16


def measure_clip(path: Path) -> ClipFacts:
    size_bytes = path.stat().st_size
    if not size_bytes:
        return ClipFacts(error="The file is empty.")
    try:
        info = probe(path)
        wrong = what_is_no_video(info)
        if wrong:
            return ClipFacts(error=wrong, size_bytes=size_bytes)
        decode(path)
    except MediaError as error:
        return ClipFacts(error=sentence_of(error), size_bytes=size_bytes)
    picture = info.video[0]
    return ClipFacts(
        width=picture.width,
        height=picture.height,
        format=info.format,
        codec=picture.codec,
        pixel_format=picture.pixel_format,
        fps=picture.fps,
        frames=picture.frames,
        duration_s=picture.duration_s or info.duration_s,
        bitrate_kbps=info.bitrate_kbps,
        size_bytes=size_bytes,
        audio_streams=len(info.audio),
    )


def what_is_no_video(info: MediaInfo) -> str:
    """The reason for which decoding is not even tried; empty when there is none."""
    if info.format not in CONTAINERS:
        return f"The file is no video (MP4, MOV, MKV or WebM) but {info.format}."
    if not info.video:
        return "The file holds only sound and no picture." if info.audio else "The file holds no picture."
    if len(info.video) + len(info.audio) + info.other_streams > MAX_STREAMS:
        return f"The file holds more than {MAX_STREAMS} streams."
    if max(info.video[0].width, info.video[0].height) > MAX_SIDE_PX:
        return (
            f"The picture is {info.video[0].width}×{info.video[0].height}; sides above {MAX_SIDE_PX} px are not read."
        )
    if info.duration_s > MAX_DURATION_S:
        return f"The file claims to last {info.duration_s / 3600:.1f} hours; more than one is not read."
    return ""
