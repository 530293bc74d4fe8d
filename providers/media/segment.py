"""The picture of one scene: its clip fitted to the voice, the cross-fade from the scene before, text drawn on top."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from .errors import BadMedia
from .ffmpeg import THREADS, h264_args, mp4_args, start
from .ffprobe import DEMUXERS, VideoStream, probe, sniff
from .overlay import Overlay, drawn
from .sandbox import run

SLOWEST = 1.15
SLOWER_THAN_THIS_IS_SLOWED = 1.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Size and rate of the whole video."""

    width: int
    height: int
    fps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedClip:
    """A clip stretched or cut to a number of frames, the overlap with the next scene among them."""

    path: Path
    frames: int
    slowed: float  # 1.0 plays at its own speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    clip: FittedClip
    frames: int
    before: FittedClip | None = None  # whose last `overlap` frames fade into this scene
    overlap: int = 0
    captions: Path | None = None
    overlay: Overlay | None = None


def fit(path: Path, *, frames: int, fps: int) -> FittedClip:
    """Long enough: cut. Too short: slowed by at most 15 %, and the last frame held for what is still missing."""
    info = probe(path)
    if not info.video:
        raise BadMedia(f"The clip {path.name} has no picture.")
    own_s = _own_seconds(info.video[0])
    slowed = min(max(frames / fps / own_s, 1.0), SLOWEST) if own_s > 0 else 1.0
    return FittedClip(path=path, frames=frames, slowed=slowed if slowed > SLOWER_THAN_THIS_IS_SLOWED else 1.0)


def write_segment(segment: Segment, out: Path, *, frame: Frame) -> None:
    """Exactly `segment.frames` frames of H.264; run in the folder of its text files, which are named without path."""
    picture = _fitted(segment.clip, frame, first=0, end=segment.frames)
    if segment.before and segment.overlap:
        tail = _fitted(segment.before, frame, first=segment.before.frames - segment.overlap, end=segment.before.frames)
        seconds = segment.overlap / frame.fps
        faded = ffmpeg.filter([tail, picture], "xfade", transition="fade", duration=f"{seconds:.6f}", offset=0)
        picture = _exactly(faded, first=0, end=segment.frames)
    if segment.captions:
        picture = picture.filter("ass", filename=segment.captions.name)
    if segment.overlay:
        picture = drawn(picture, segment.overlay)
    graph = picture.filter("format", "yuv420p").output("pipe:", an=None).get_args()
    args = [*start(), *graph[: graph.index("pipe:")]]  # inputs, graph, map
    encoder = [*h264_args(), "-g", str(frame.fps * 2), "-fps_mode", "cfr", "-r", str(frame.fps), *mp4_args(out)]
    run([*args, *encoder], timeout_s=60 + segment.frames * 0.5, cwd=out.parent)


def _fitted(clip: FittedClip, frame: Frame, *, first: int, end: int) -> Any:
    """Frames `first` to `end` of the clip at the video's size and rate."""
    source = ffmpeg.input(
        f"file:{clip.path.absolute()}", f=DEMUXERS[sniff(clip.path)], protocol_whitelist="file", threads=THREADS
    ).video
    covering = source.filter(
        "scale", frame.width, frame.height, force_original_aspect_ratio="increase", flags="bicubic"
    )
    picture = covering.filter("crop", frame.width, frame.height).filter("setsar", 1)
    if clip.slowed > 1:
        # New frames are mixed from their neighbours: repeated ones would stutter in a slow pan.
        slowed = picture.filter("setpts", f"(PTS-STARTPTS)*{clip.slowed:.6f}")
        picture = slowed.filter("framerate", fps=frame.fps, flags="-scene_change_detect")
    else:
        picture = picture.filter("setpts", "PTS-STARTPTS").filter("fps", fps=frame.fps)
    return _exactly(picture.filter("settb", f"1/{frame.fps}"), first=first, end=end)  # xfade wants equal time bases


def _exactly(picture: Any, *, first: int, end: int) -> Any:
    held = picture.filter("tpad", stop_mode="clone", stop=-1)
    return held.filter("trim", start_frame=first, end_frame=end).filter("setpts", "PTS-STARTPTS")


def _own_seconds(stream: VideoStream) -> float:
    if stream.frames and stream.fps:
        return stream.frames / stream.fps
    return stream.duration_s
