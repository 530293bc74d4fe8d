"""Facts of a finished video: streams, lengths of picture and sound, loudness, and whether all of it can be read."""

from __future__ import annotations

from pathlib import Path

from providers.media.audio import Loudness, measure_loudness
from providers.media.errors import MediaError
from providers.media.ffmpeg import decode
from providers.media.ffprobe import probe

from ..types import RenderFacts
from .clip import what_is_no_video
from .failure import sentence_of


def measure_render(path: Path) -> RenderFacts:
    size_bytes = path.stat().st_size
    if not size_bytes:
        return RenderFacts(error="The file is empty.")
    try:
        info = probe(path)
        wrong = what_is_no_video(info)
        if wrong:
            return RenderFacts(error=wrong, size_bytes=size_bytes)
        decode(path)
        loudness: Loudness | None = measure_loudness(path) if info.audio else None
    except MediaError as error:
        return RenderFacts(error=sentence_of(error), size_bytes=size_bytes)
    picture = info.video[0]
    return RenderFacts(
        width=picture.width,
        height=picture.height,
        fps=picture.fps,
        duration_s=info.duration_s,
        picture_s=picture.duration_s,
        sound_s=info.audio[0].duration_s if info.audio else 0.0,
        video_codecs=tuple(stream.codec for stream in info.video),
        audio_codecs=tuple(stream.codec for stream in info.audio),
        other_streams=info.other_streams,
        integrated_lufs=loudness.integrated_lufs if loudness else None,
        true_peak_dbfs=loudness.true_peak_dbfs if loudness else None,
        size_bytes=size_bytes,
    )
