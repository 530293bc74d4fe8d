"""Measurements of sound: silence, clipping and level of a voiceover, loudness by EBU R 128."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .errors import BadMedia, MediaError
from .ffmpeg import ffmpeg
from .ffprobe import input_args, probe

MEASURE_TIMEOUT_S = 60.0
LOUDNESS_FILTER = "ebur128=peak=true:framelog=verbose"
WINDOW_S = 0.01
SILENCE_DBFS = -45.0
CLIPPED_AT = 32700  # of 32767
CLIPPED_RUN = 3  # so many samples in a row at the rail are a flat top, fewer a peak that just fits
FLOOR_DBFS = -120.0

Samples = npt.NDArray[np.int16]


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
    samples = _samples(path, rate=rate, channels=channels)
    silence_s, silence_at_s = _longest_silence(samples, rate)
    clipped = sum(_clipped(samples[:, channel]) for channel in range(channels))
    magnitude = np.abs(samples.astype(np.int32))
    return VoiceMeasure(
        duration_s=len(samples) / rate,
        longest_silence_s=silence_s,
        longest_silence_at_s=silence_at_s,
        peak_dbfs=_dbfs(float(magnitude.max(initial=0))),
        mean_dbfs=_dbfs(_rms(samples)),
        clipped_samples=clipped,
        clipped_share=clipped / max(samples.size, 1),
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


def _samples(path: Path, *, rate: int, channels: int) -> Samples:
    shape = ["-map", "0:a:0", "-ac", str(channels), "-ar", str(rate), "-f", "s16le", "pipe:1"]
    done = ffmpeg([*input_args(path), *shape], timeout_s=MEASURE_TIMEOUT_S)
    if not done.stdout:
        raise BadMedia(f"The file {path.name} holds no sound that can be decoded.", detail=done.stderr)
    return np.frombuffer(done.stdout, dtype="<i2").reshape(-1, channels)


def _longest_silence(samples: Samples, rate: int) -> tuple[float, float]:
    """Length and start of the longest stretch whose windows all lie below SILENCE_DBFS."""
    window = max(int(rate * WINDOW_S), 1)
    whole = len(samples) // window * window
    if not whole:
        return 0.0, 0.0
    blocks = samples[:whole].reshape(-1, window * samples.shape[1]).astype(np.float32)
    quiet = np.sqrt((blocks**2).mean(axis=1)) < 32768 * 10 ** (SILENCE_DBFS / 20)
    starts, lengths = _runs(quiet)
    if not len(lengths):
        return 0.0, 0.0
    longest = int(lengths.argmax())
    return float(lengths[longest]) * window / rate, float(starts[longest]) * window / rate


def _clipped(channel: Samples) -> int:
    """Samples in runs at the rail, each rail by itself."""
    count = 0
    for rail in (channel >= CLIPPED_AT, channel <= -CLIPPED_AT):
        _, lengths = _runs(rail)
        count += int(lengths[lengths >= CLIPPED_RUN].sum())
    return count


def _runs(flags: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return edges[::2], edges[1::2] - edges[::2]


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float32) ** 2))) if samples.size else 0.0


def _dbfs(level: float) -> float:
    return max(20 * math.log10(level / 32768), FLOOR_DBFS) if level > 0 else FLOOR_DBFS


def _figure(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if not found:
        raise MediaError("The loudness could not be measured.", detail=text)
    value = float(found.group(1).replace("nan", "-inf"))
    return value if math.isfinite(value) else FLOOR_DBFS
