from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from providers.media.ffmpeg import aac_args, ffmpeg, h264_args, mp4_args


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, *, seconds: float, size: str = "160x90", fps: int = 25, source: str = "testsrc2") -> Path:
        out = tmp_path / name
        lavfi = ["-f", "lavfi", "-i", f"{source}{':' if '=' in source else '='}s={size}:d={seconds}:r={fps}"]
        ffmpeg([*lavfi, *h264_args(preset="ultrafast"), *mp4_args(out)], timeout_s=30)
        return out

    return make


@pytest.fixture
def make_sound(tmp_path: Path) -> Callable[..., Path]:
    """A sound described by an ffmpeg source, in the format that the name says."""

    def make(name: str, source: str) -> Path:
        out = tmp_path / name
        kind = out.suffix[1:]
        ffmpeg(["-f", "lavfi", "-i", source, "-f", kind, f"file:{out}"], timeout_s=30)
        return out

    return make


@pytest.fixture
def talking_clip(tmp_path: Path) -> Path:
    out = tmp_path / "talking.mp4"
    sources = ["-f", "lavfi", "-i", "testsrc2=s=160x90:d=2:r=25", "-f", "lavfi", "-i", "sine=d=2"]
    ffmpeg([*sources, *h264_args(preset="ultrafast"), *aac_args(), *mp4_args(out)], timeout_s=30)
    return out
