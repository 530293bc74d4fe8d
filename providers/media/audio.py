"""Measurements of sound: silence, clipping and level of a voiceover, loudness by EBU R 128."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from .errors import BadMedia, MediaError
from .ffmpeg import ffmpeg
from .ffprobe import input_args, probe

MEASURE_TIMEOUT_S = 60.0
FLOOR_DBFS = -120.0
LOUDNESS_FILTER = "ebur128=peak=true:framelog=verbose"


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceMeasure:
    duration_s: float
    longest_silence_s: float
    longest_silence_at_s: float
    peak_dbfs: float
    mean_dbfs: float
    clipped_samples: int
    clipped_share: float
    bitrate_kbps: float
    sample_rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loudness:
    integrated_lufs: float
    true_peak_dbfs: float
    range_lu: float


def measure_voice(path: Path) -> VoiceMeasure:
    """The duration is counted from decoded samples, not believed from a header."""
    info = probe(path)
    if not info.audio:
        raise BadMedia(f"The file {path.name} has no sound.")
    stream = info.audio[0]
    rate, channels = max(stream.sample_rate, 8000), min(max(stream.channels, 1), 2)
    from . import samples  # numpy: only the process that measures should hold it

    heard = samples.listen(
        _decoded(path, rate=rate, channels=channels), rate=rate, channels=channels, floor_dbfs=FLOOR_DBFS
    )
    return VoiceMeasure(
        duration_s=heard.duration_s,
        longest_silence_s=heard.longest_silence_s,
        longest_silence_at_s=heard.longest_silence_at_s,
        peak_dbfs=heard.peak_dbfs,
        mean_dbfs=heard.mean_dbfs,
        clipped_samples=heard.clipped_samples,
        clipped_share=heard.clipped_share,
        bitrate_kbps=stream.bitrate_kbps or info.bitrate_kbps,
        sample_rate=stream.sample_rate,
    )


def measure_loudness(path: Path) -> Loudness:
    """Integrated loudness; -70 LUFS stands for silence."""
    args = [*input_args(path), "-map", "0:a:0", "-af", LOUDNESS_FILTER, "-f", "null", "-"]
    return read_loudness(ffmpeg(args, timeout_s=MEASURE_TIMEOUT_S, loglevel="info").stderr)


def read_loudness(log: str) -> Loudness:
    """What LOUDNESS_FILTER wrote at its end; it may stand behind other filters of a call."""
    summary = log.rpartition("Summary:")[2]
    return Loudness(
        integrated_lufs=_figure(r"I:\s+(\S+) LUFS", summary),
        true_peak_dbfs=_figure(r"Peak:\s+(\S+) dBFS", summary),
        range_lu=_figure(r"LRA:\s+(\S+) LU", summary),
    )


def _decoded(path: Path, *, rate: int, channels: int) -> bytes:
    shape = ["-map", "0:a:0", "-ac", str(channels), "-ar", str(rate), "-f", "s16le", "pipe:1"]
    done = ffmpeg([*input_args(path), *shape], timeout_s=MEASURE_TIMEOUT_S)
    if not done.stdout:
        raise BadMedia(f"The file {path.name} holds no sound that can be decoded.", detail=done.stderr)
    return done.stdout


def _figure(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if not found:
        raise MediaError("The loudness could not be measured.", detail=text)
    value = float(found.group(1).replace("nan", "-inf"))
    return value if math.isfinite(value) else FLOOR_DBFS
