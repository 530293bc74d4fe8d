"""Small real files: each job's differ in their bytes, and are the same again when fetched again."""

from __future__ import annotations

import array
import hashlib
import io
import json
import math
import subprocess
import tempfile
import threading
import wave
import zlib
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

RATE = 24_000
WORDS_PER_S = 2.3
WORDS = ["light", "water", "stone", "wind", "river", "garden", "slowly", "bright", "people", "walk", "along", "small"]
_one_encoder = threading.Lock()


def number(body: dict[str, Any], name: str, default: float, most: float) -> float:
    return min(float(body.get(name) or default), most)


def image(body: dict[str, Any], mark: str) -> bytes:
    """A PNG; other formats by `format`: jpeg, webp. With `grid` four pictures in one, two by two."""
    width, height = (int(number(body, name, 64, 4096)) for name in ("width", "height"))
    if body.get("format") in OTHER_IMAGES:
        return _other_image(width, height, str(body["format"]), mark)
    png = _plain_png(width, height, bool(body.get("grid")))
    chunk = b"tEXtComment\0" + mark.encode()
    extra = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    return png[:33] + extra + png[33:]  # right behind the header chunk


@cache
def _plain_png(width: int, height: int, grid: bool = False) -> bytes:
    buffer = io.BytesIO()
    _picture(width, height, grid).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _picture(width: int, height: int, grid: bool) -> Image.Image:
    bands = [Image.linear_gradient("L").rotate(turn) for turn in (0, 90, 180)]
    picture = Image.merge("RGB", bands)
    if not grid:
        return picture.resize((width, height))
    whole, half = Image.new("RGB", (width, height)), (width // 2, height // 2)
    for place in range(4):
        turned = picture.rotate(90 * place).resize(half)
        whole.paste(turned, (place % 2 * half[0], place // 2 * half[1]))
    return whole


def _other_image(width: int, height: int, form: str, mark: str) -> bytes:
    """With the mark in its EXIF data."""
    exif = Image.Exif()
    exif[0x010E] = mark
    buffer = io.BytesIO()
    _picture(width, height, grid=False).save(buffer, form.upper(), exif=exif)
    return buffer.getvalue()


def clip(body: dict[str, Any], mark: str) -> bytes:
    width, height = (int(number(body, name, 64, 2048)) // 2 * 2 for name in ("width", "height"))
    with _one_encoder:
        film = _plain_mp4(width, height, round(number(body, "seconds", 1, 20), 2), int(number(body, "fps", 24, 60)))
    return film + (8 + len(mark)).to_bytes(4, "big") + b"free" + mark.encode()


@cache
def _plain_mp4(width: int, height: int, seconds: float, fps: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "clip.mp4"
        subprocess.run(
            [
                "ffmpeg",
                "-v",
                "error",
                "-f",
                "lavfi",
                "-i",
                f"testsrc2=size={width}x{height}:rate={fps}:duration={seconds}",
            ]
            + ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(out)],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return out.read_bytes()


def speech_s(body: dict[str, Any]) -> float:
    """How long a voice takes: as asked, or as its words do."""
    words = len(str(body.get("prompt", "")).split())
    return number(body, "seconds", max(0.5, words / WORDS_PER_S), 600)


def speech(body: dict[str, Any], mark: str) -> bytes:
    """A steady tone, in a WAV; with `format` mp3 in that, with pcm bare samples of 16 bits."""
    if body.get("format") == "mp3":
        return _id3(mark) + _plain_mp3(round(speech_s(body), 1))
    sound = _wav(body, mark)
    return sound[44:] if body.get("format") == "pcm" else sound


@cache
def _plain_mp3(seconds: float) -> bytes:
    tone = _wav({"seconds": seconds}, "plain")
    command = ["ffmpeg", "-v", "error", "-f", "wav", "-i", "pipe:0", "-ar", "44100", "-b:a", "128k", "-f", "mp3", "-"]
    with _one_encoder:
        return subprocess.run(command, check=True, input=tone, capture_output=True).stdout


def _id3(mark: str) -> bytes:
    """A tag of ID3v2.3 with one comment."""
    text = b"\0eng\0" + mark.encode("latin-1")
    frame = b"COMM" + len(text).to_bytes(4, "big") + b"\0\0" + text
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame


def _wav(body: dict[str, Any], mark: str) -> bytes:
    seconds = speech_s(body)
    digest = hashlib.sha256(mark.encode()).digest()
    period = RATE // (150 + digest[0])
    wave_once = array.array("h", (int(9000 * math.sin(2 * math.pi * step / period)) for step in range(period)))
    samples = (wave_once * (int(seconds * RATE) // period + 1))[: int(seconds * RATE)]
    samples[:32] = array.array("h", list(digest))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        sound.writeframes(samples.tobytes())
    return buffer.getvalue()


def text(body: dict[str, Any], mark: str) -> bytes:
    """A script with as many scenes as asked for, each as long as its share of the seconds."""
    scenes = int(number(body, "scenes", 4, 50))
    seconds = number(body, "seconds", 5.0 * scenes, 600) / scenes
    topic = " ".join(str(body.get("topic") or body.get("prompt") or "something").split())[:60]
    script = {
        "title": f"About {topic}",
        "hook": f"What nobody told you about {topic}",
        "description": f"A short film about {topic} ({mark}).",
        "hashtags": ["#short", "#film"],
        "scenes": [
            {
                "narration": _sentence(f"{mark}:{no}", max(3, round(seconds * WORDS_PER_S))),
                "visual_prompt": f"{topic}, {_sentence(f'{mark}:look:{no}', 5)}",
                "seconds": round(seconds, 1),
                "hero": no == 0,
            }
            for no in range(scenes)
        ],
    }
    return json.dumps(script, ensure_ascii=False).encode()


def _sentence(mark: str, words: int) -> str:
    stream = hashlib.shake_256(mark.encode()).digest(words)
    return " ".join(WORDS[byte % len(WORDS)] for byte in stream).capitalize() + "."


def moderation(body: dict[str, Any], mark: str) -> bytes:
    flagged = "forbidden" in str(body.get("prompt", "")).lower()
    return json.dumps({"id": mark, "flagged": flagged, "categories": {"violence": float(flagged)}}).encode()


MAKERS = {"image": image, "clip": clip, "speech": speech, "text": text, "moderation": moderation}
TYPES = {
    "image": ("image/png", "png"),
    "clip": ("video/mp4", "mp4"),
    "speech": ("audio/wav", "wav"),
    "text": ("application/json", "json"),
    "moderation": ("application/json", "json"),
}
OTHER_IMAGES = ("jpeg", "webp")
FORMATS = {
    "jpeg": ("image/jpeg", "jpg"),
    "webp": ("image/webp", "webp"),
    "mp3": ("audio/mpeg", "mp3"),
    "pcm": ("audio/pcm", "pcm"),
}


def type_of(job: dict[str, Any]) -> tuple[str, str]:
    """(media type, ending) of a job's files."""
    return FORMATS.get(json.loads(job["request"]).get("format", ""), TYPES[job["kind"]])


def units(kind: str, body: dict[str, Any], token_factor: float = 1.0) -> dict[str, int]:
    """What the vendor counts for its bill. A client that knows better may say `input_tokens` and `output_tokens`."""
    characters = len(str(body.get("prompt", "")))
    if kind == "text":
        read = body.get("input_tokens") or max(1, round((characters // 4 + 1) * token_factor))
        return {"input_tokens": int(read), "output_tokens": int(body.get("output_tokens") or 400)}
    images, seconds = max(1, int(body.get("count") or 1)), math.ceil(number(body, "seconds", 1, 20))
    counted = {"image": ("images", images), "clip": ("seconds", seconds)}
    name, count = counted.get(kind, ("characters", characters))
    return {name: count}


TINY = {"width": 64, "height": 64, "seconds": 0.5, "fps": 24, "scenes": 2}


def make(kind: str, body: dict[str, Any], mark: str, *, tiny: bool) -> bytes:
    return MAKERS[kind]({**body, **TINY} if tiny else body, mark)


def wrong(kind: str, mark: str) -> bytes:
    """A whole file of another kind than promised."""
    return speech({"seconds": 0.5}, mark) if kind == "image" else image({}, mark)


def is_quick(kind: str, *, tiny: bool) -> bool:
    """Made in well under a millisecond, once there was a first."""
    return kind in ("text", "moderation") or (tiny and kind in _warm)


_warm: set[str] = set()


def warm_up() -> None:
    """Makes the first tiny one of each kind, which costs tens of milliseconds."""
    for kind in MAKERS:
        make(kind, {}, "warm", tiny=True)
        _warm.add(kind)
