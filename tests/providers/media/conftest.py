from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from providers.media.ffmpeg import aac_args, ffmpeg, h264_args, mp4_args

MP4 = mp4_args(Path("out.mp4"))[:-1]  # without the name of the file


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory) -> Callable[[Path, list[str]], Path]:
    """What a line of ffmpeg arguments gives, made once; every test gets a copy of its own."""
    folder, made = tmp_path_factory.mktemp("made"), {}

    def copy_to(out: Path, args: list[str]) -> Path:
        key = tuple(args)
        if key not in made:
            path = folder / f"{len(made)}{out.suffix}"
            ffmpeg([*args, f"file:{path}"], timeout_s=30)
            made[key] = path
        shutil.copy(made[key], out)
        return out

    return copy_to


@pytest.fixture
def make_clip(tmp_path: Path, _made_once) -> Callable[..., Path]:
    def make(name: str, *, seconds: float, size: str = "160x90", fps: int = 25, source: str = "testsrc2") -> Path:
        lavfi = ["-f", "lavfi", "-i", f"{source}{':' if '=' in source else '='}s={size}:d={seconds}:r={fps}"]
        return _made_once(tmp_path / name, [*lavfi, *h264_args(preset="ultrafast"), *MP4])

    return make


@pytest.fixture
def make_sound(tmp_path: Path, _made_once) -> Callable[..., Path]:
    """A sound described by an ffmpeg source, in the format that the name says."""

    def make(name: str, source: str) -> Path:
        return _made_once(tmp_path / name, ["-f", "lavfi", "-i", source, "-f", Path(name).suffix[1:]])

    return make


@pytest.fixture
def talking_clip(tmp_path: Path, _made_once) -> Path:
    sources = ["-f", "lavfi", "-i", "testsrc2=s=160x90:d=2:r=25", "-f", "lavfi", "-i", "sine=d=2"]
    return _made_once(tmp_path / "talking.mp4", [*sources, *h264_args(preset="ultrafast"), *aac_args(), *MP4])
