"""One loudness for all videos: measured gain, a limiter above it, measured again and corrected."""

from __future__ import annotations

from pathlib import Path

from .audio import LOUDNESS_FILTER, measure_loudness, read_loudness
from .errors import MediaError
from .ffmpeg import ffmpeg
from .ffprobe import input_args

TARGET_LUFS = -14.0
TOLERANCE_LU = 0.5
CLOSE_ENOUGH_LU = 0.15
SILENT_LUFS = -60.0
CEILING = 0.82  # -1.7 dBFS: the encoder's own overshoot stays below -1
TRIES = 5
LEVEL_TIMEOUT_S = 120.0


def level(source: Path, out: Path, *, samples: int) -> None:
    """Writes `source` at TARGET_LUFS as 48 kHz stereo WAV of exactly `samples` sample times; silence stays silence."""
    measured = measure_loudness(source).integrated_lufs
    gain_db = 0.0 if measured < SILENT_LUFS else TARGET_LUFS - measured
    for _ in range(TRIES):
        reached = _apply(source, out, gain_db=gain_db, samples=samples)
        error = 0.0 if measured < SILENT_LUFS else TARGET_LUFS - reached
        if abs(error) <= CLOSE_ENOUGH_LU:
            return
        gain_db += error * 1.4  # the limiter takes part of what is added
    if abs(error) > TOLERANCE_LU:
        raise MediaError(
            f"The sound could not be brought to {TARGET_LUFS:g} LUFS: its peaks stand too far above its speech. "
            "Make the voiceover anew or with another voice.",
            detail=f"still {error:+.2f} LU off with {gain_db:.1f} dB of gain",
        )


def _apply(source: Path, out: Path, *, gain_db: float, samples: int) -> float:
    """The loudness reached."""
    # Limited at four times the rate, where the peaks between samples are seen too.
    chain = ",".join(
        (
            f"volume={gain_db:.3f}dB:precision=float",
            "aresample=192000",
            f"alimiter=limit={CEILING}:level=false:attack=5:release=60:latency=true",
            "aresample=48000",
            "apad",
            f"atrim=end_sample={int(samples)}",
            LOUDNESS_FILTER,
        )
    )
    target = ["-af", chain, "-ar", "48000", "-ac", "2", "-c:a", "pcm_s16le", "-f", "wav", f"file:{out.absolute()}"]
    done = ffmpeg([*input_args(source), "-map", "0:a:0", *target], timeout_s=LEVEL_TIMEOUT_S, loglevel="info")
    return read_loudness(done.stderr).integrated_lufs
