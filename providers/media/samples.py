"""What decoded sound holds: silence, clipping, level. Kept apart because numpy is large."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WINDOW_S = 0.01
SILENCE_DBFS = -45.0
CLIPPED_AT = 32700  # of 32767
CLIPPED_RUN = 3  # so many samples in a row at the rail are a flat top, fewer a peak that just fits

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    duration_s: float
    longest_silence_s: float
    longest_silence_at_s: float
    peak_dbfs: float
    mean_dbfs: float
    clipped_samples: int
    clipped_share: float


def listen(pcm: bytes, *, rate: int, channels: int, floor_dbfs: float) -> Heard:
    """`pcm`: signed 16-bit little-endian samples, channels interleaved. `floor_dbfs` stands for silence."""
    samples: Samples = np.frombuffer(pcm, dtype="<i2").reshape(-1, channels)
    silence_s, silence_at_s = _longest_silence(samples, rate)
    clipped = sum(_clipped(samples[:, channel]) for channel in range(channels))
    magnitude = np.abs(samples.astype(np.int32))
    return Heard(
        duration_s=len(samples) / rate,
        longest_silence_s=silence_s,
        longest_silence_at_s=silence_at_s,
        peak_dbfs=_dbfs(float(magnitude.max(initial=0)), floor_dbfs),
        mean_dbfs=_dbfs(_rms(samples), floor_dbfs),
        clipped_samples=clipped,
        clipped_share=clipped / max(samples.size, 1),
    )


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


def _dbfs(level: float, floor: float) -> float:
    return max(20 * math.log10(level / 32768), floor) if level > 0 else floor
