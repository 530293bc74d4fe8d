"""A slow zoom and pan over one picture, in a process of its own: `python -m providers.adapters.studio.move`.

Every frame is a resize from a box with float edges, so the motion has no steps a viewer could see; ffmpeg's own zoom
works in whole pixels and trembles. Brightness and colour are resized apart, colour at half the size as the video
stores it: that is half the work of resizing RGB, and nothing is converted per frame.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...media import sandbox

FPS = 25
MOST_PIXELS = 50_000_000
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Path2D:
    """Where the camera is at first and at last: the share of the picture it sees, and the middle of that, 0 to 1."""

    share: tuple[float, float]
    x: tuple[float, float]
    y: tuple[float, float]


def choose_path(seed: int, seconds: float) -> Path2D:
    """In or out and across; the longer the clip the further, so that the speed stays about the same."""
    rng = random.Random(seed)
    far = 1 - min(0.2, 0.035 + 0.018 * seconds)
    share = (0.985, far) if rng.random() < 0.6 else (far, 0.985)
    slack = 0.5 - far / 2
    x = rng.choice((-1, 1)) * rng.uniform(0.45, 0.95) * slack
    y = rng.uniform(-0.6, 0.6) * slack
    wide, tight = (0.5, 0.5), (0.5 + x, 0.5 + y)
    first, last = (wide, tight) if share[0] > share[1] else (tight, wide)
    return Path2D(share=share, x=(first[0], last[0]), y=(first[1], last[1]))


def boxes(path: Path2D, *, picture: tuple[int, int], frame: tuple[int, int], count: int) -> list[Box]:
    """The part of the picture that each frame shows, of the frame's shape and always inside."""
    width, height = picture
    fit = min(width / frame[0], height / frame[1])
    result = []
    for i in range(count):
        t = ease(i / max(1, count - 1))
        share = path.share[0] + (path.share[1] - path.share[0]) * t
        wide, tall = frame[0] * fit * share, frame[1] * fit * share
        x = (path.x[0] + (path.x[1] - path.x[0]) * t) * width - wide / 2
        y = (path.y[0] + (path.y[1] - path.y[0]) * t) * height - tall / 2
        x, y = min(max(0.0, x), width - wide), min(max(0.0, y), height - tall)
        result.append((x, y, x + wide, y + tall))
    return result


def ease(t: float) -> float:
    """Starts and ends at rest-ish: a blend of straight and smooth, so that a cut never falls on a standing picture."""
    return 0.45 * t + 0.55 * t * t * t * (t * (6 * t - 15) + 10)


def planes(picture: Image.Image) -> tuple[Image.Image, Image.Image, Image.Image]:
    """Brightness, and the two colour differences at half the size: BT.709, the range that video uses."""
    rgb = np.asarray(picture.convert("RGB"), dtype=np.float32)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    half = (max(1, picture.width // 2), max(1, picture.height // 2))
    colour = [
        Image.fromarray(_byte(128 + (channel - luma) * (224 / 255 / scale))).resize(half, Image.Resampling.BOX)
        for channel, scale in ((blue, 1.8556), (red, 1.5748))
    ]
    return Image.fromarray(_byte(16 + luma * (219 / 255))), colour[0], colour[1]


def _byte(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    result: np.ndarray[Any, Any] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return result


def write_frames(
    picture: Image.Image, track: list[Box], *, frame: tuple[int, int], write: Callable[[bytes], None]
) -> None:
    """Each frame as planar 4:2:0, brightness first."""
    luma, blue, red = planes(picture)
    half = (frame[0] // 2, frame[1] // 2)
    across, down = blue.width / picture.width, blue.height / picture.height
    for left, top, right, bottom in track:
        write(luma.resize(frame, Image.Resampling.BICUBIC, box=(left, top, right, bottom)).tobytes())
        small = (left * across, top * down, min(right * across, blue.width), min(bottom * down, blue.height))
        for plane in (blue, red):
            write(plane.resize(half, Image.Resampling.BILINEAR, box=small).tobytes())


def encoder(out: Path, *, frame: tuple[int, int]) -> list[str]:
    return [
        "ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y",
        "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{frame[0]}x{frame[1]}", "-r", str(FPS), "-i", "pipe:0",
        "-an", "-c:v", "libx264", "-preset", "veryfast", "-subq", "1", "-crf", "20", "-threads", "2",
        "-pix_fmt", "yuv420p",
        "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv",
        "-movflags", "+faststart", "-f", "mp4", f"file:{out}",
    ]  # fmt: skip


def main(payload: dict[str, Any]) -> dict[str, Any]:
    frame = (int(payload["width"]), int(payload["height"]))
    seconds, seed = float(payload["seconds"]), int(payload["seed"])
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        with Image.open(payload["image"], formats=("JPEG", "PNG", "WEBP")) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                return {"refused": "The scene’s picture is larger than 50 megapixels. Use a smaller one."}
            opened.load()
            picture = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return {"refused": "The scene’s picture cannot be read. Make or upload it again (JPEG, PNG or WebP)."}
    count = max(1, round(seconds * FPS))
    track = boxes(choose_path(seed, seconds), picture=picture.size, frame=frame, count=count)
    with sandbox.pipe(
        encoder(Path(payload["out"]), frame=frame), timeout_s=float(payload["timeout_s"]), memory_mb=1024, nice=0
    ) as ffmpeg:
        write_frames(picture, track, frame=frame, write=ffmpeg.write)
    return {"frames": count}


if __name__ == "__main__":
    try:
        print(json.dumps(main(json.load(sys.stdin))))
    except sandbox.MediaError as error:
        print(error.detail, file=sys.stderr)
        print(json.dumps({"error": error.message}))
