"""ffmpeg as the rest of the package uses it: fixed opening arguments, encoder settings, decoding whole, stills."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from .errors import BadMedia, MediaError, ProgramFailed
from .ffprobe import input_args, probe
from .sandbox import Completed, run

THREADS = "2"
DECODE_TIMEOUT_S = 120.0
STILL_TIMEOUT_S = 30.0
SHORTER_S, SHORTER_SHARE = 0.15, 0.02  # a stated length may be an estimate

OPENING = (
    "ffmpeg", "-nostdin", "-hide_banner", "-y", "-filter_threads", THREADS, "-filter_complex_threads", THREADS,
)  # fmt: skip


def start(loglevel: str = "error") -> list[str]:
    """The first arguments of every ffmpeg call."""
    return [*OPENING, "-loglevel", loglevel]


def h264_args(*, crf: int = 21, preset: str = "veryfast") -> list[str]:
    return ["-c:v", "libx264", "-preset", preset, "-crf", str(int(crf)), "-pix_fmt", "yuv420p", "-threads", THREADS]


def aac_args(*, bitrate_kbps: int = 160) -> list[str]:
    return ["-c:a", "aac", "-b:a", f"{int(bitrate_kbps)}k", "-ar", "48000", "-ac", "2"]


def raw_frames_args(*, width: int, height: int, fps: int) -> list[str]:
    """An input of raw RGB frames on stdin, for pipe()."""
    size = f"{int(width)}x{int(height)}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", size, "-framerate", str(int(fps))]
    return [*source, "-protocol_whitelist", "pipe", "-i", "pipe:0"]


def mp4_args(out: Path) -> list[str]:
    return ["-movflags", "+faststart", "-f", "mp4", f"file:{out.absolute()}"]


def ffmpeg(args: Sequence[str], *, timeout_s: float, cwd: Path | None = None, loglevel: str = "error") -> Completed:
    return run([*start(loglevel), *args], timeout_s=timeout_s, cwd=cwd)


@lru_cache(maxsize=8)
def require_filter(name: str) -> None:
    """Some builds of ffmpeg, such as Homebrew's slim one, cannot draw text."""
    listed = ffmpeg(["-filters"], timeout_s=STILL_TIMEOUT_S).stdout.decode("utf-8", "replace")
    if not re.search(rf"^ \S+ {re.escape(name)} ", listed, re.MULTILINE):
        raise MediaError(
            f"The installed ffmpeg was built without its filter {name}, which draws text. Install a full build "
            "(sudo apt-get install ffmpeg, or brew install ffmpeg-full), or switch burned-in captions and overlay "
            "text off for this video."
        )


def decode(path: Path) -> None:
    """Decodes every frame and sample; raises MediaError when one of them is damaged or missing."""
    info = probe(path)
    if not info.video and not info.audio:
        raise BadMedia(f"The file {path.name} holds neither picture nor sound.")
    source = ["-xerror", "-threads", THREADS, *input_args(path), "-map", "0:v?", "-map", "0:a?"]
    try:
        done = ffmpeg([*source, "-progress", "pipe:1", "-f", "null", "-"], timeout_s=DECODE_TIMEOUT_S)
    except ProgramFailed as error:
        raise BadMedia(f"The file {path.name} is damaged.", detail=error.detail) from error
    decoded_s = _last_time_s(done.stdout)
    if decoded_s < info.duration_s * (1 - SHORTER_SHARE) - SHORTER_S:
        detail = f"{decoded_s:.3f} s of {info.duration_s:.3f} s\n{done.stderr}"
        raise BadMedia(f"The file {path.name} is cut off: it ends before the length that it states.", detail=detail)


def _last_time_s(progress: bytes) -> float:
    times = re.findall(rb"^out_time_us=(\d+)", progress, re.MULTILINE)
    return int(times[-1]) / 1_000_000 if times else 0.0


def still(path: Path, out: Path, *, at_s: float = 0.0, width: int = 640) -> None:
    """One frame as JPEG, e.g. a poster or a thumbnail; pictures are accepted as well."""
    seek = ["-ss", f"{float(at_s):.3f}"] if at_s > 0 else []
    scale = f"scale={int(width)}:-2:flags=area:out_range=pc,format=yuvj420p"
    target = ["-frames:v", "1", "-q:v", "4", "-f", "mjpeg", f"file:{out.absolute()}"]
    ffmpeg(["-threads", THREADS, *seek, *input_args(path), "-an", "-vf", scale, *target], timeout_s=STILL_TIMEOUT_S)
    if not out.exists() or not out.stat().st_size:
        raise BadMedia(f"The file {path.name} has no picture at {at_s:g} s.")
