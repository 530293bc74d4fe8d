"""Small real files and broken ones, made on demand."""

from __future__ import annotations

import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

PICTURE = "testsrc2=size=320x180:rate=25:duration={s}"
TONE = "sine=frequency=440:sample_rate=48000:duration={s}"
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
FAST_START = ["-movflags", "+faststart"]


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, name: str) -> Path:
        path = self.root / name
        if not path.exists():
            MAKERS[name](self, path)
        return path


def ffmpeg(*args: str) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-y", "-loglevel", "error", *args], check=True, timeout=60)


def picture(width: int = 640, height: int = 360) -> Image.Image:
    made = Image.new("RGB", (width, height), (200, 180, 150))
    ImageDraw.Draw(made).ellipse((width // 4, height // 5, width // 2, height * 3 // 4), fill=(90, 60, 120))
    return made


def grain(amount: float) -> Image.Image:
    rng = np.random.default_rng(7)
    return Image.fromarray(rng.normal(128, amount, (720, 1280, 3)).clip(0, 255).astype(np.uint8))


def night() -> Image.Image:
    made, rng = Image.new("RGB", (1280, 720), (8, 10, 22)), np.random.default_rng(7)
    for x, y in rng.integers(0, 720, (150, 2)).tolist():
        ImageDraw.Draw(made).ellipse((x, y, x + 3, y + 3), fill=(230, 230, 240))
    return made


def huge_one_colour(path: Path) -> None:
    """A complete PNG of 30,000 × 30,000 pixels in about 110 KB."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(3751) * 100) for _ in range(300)) + packer.flush()
    header = struct.pack(">IIBBBBB", 30000, 30000, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    packed = (struct.pack(">I", len(b)) + t + b + struct.pack(">I", zlib.crc32(t + b)) for t, b in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(360, 200).save(path, exif=exif)


def half_of(name: str) -> Callable[[Folder, Path], None]:
    def make(folder: Folder, path: Path) -> None:
        whole = folder.get(name).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])

    return make


def drawn(make: Callable[[], Image.Image], **options) -> Callable[[Folder, Path], None]:
    return lambda folder, path: make().save(path, **options)


def written(content: str | bytes) -> Callable[[Folder, Path], None]:
    return lambda folder, path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


def coded(*args: str, inputs: tuple[str, ...], s: float = 2) -> Callable[[Folder, Path], None]:
    sources = [word for source in inputs for word in ("-f", "lavfi", "-i", source.format(s=s))]
    return lambda folder, path: ffmpeg(*sources, *args, str(path))


def voice(filters: str) -> Callable[[Folder, Path], None]:
    return coded("-af", filters, "-ac", "1", inputs=(TONE,), s=4)


MAKERS: dict[str, Callable[[Folder, Path], None]] = {
    # pictures
    "good.jpg": drawn(picture, quality=90),
    "good.png": drawn(picture),
    "good.webp": drawn(picture),
    "large.jpg": drawn(lambda: picture(1280, 720)),
    "cmyk.jpg": drawn(lambda: picture().convert("CMYK")),
    "palette.png": drawn(lambda: picture().quantize(16)),
    "sixteen_bit.png": drawn(
        lambda: Image.fromarray(np.linspace(0, 65535, 640 * 360).astype(np.uint16).reshape(360, 640))
    ),
    "turned.jpg": lambda folder, path: turned(path),
    "hues.png": drawn(lambda: two_hues()),
    "night.jpg": drawn(night),
    "flat.jpg": drawn(lambda: Image.new("RGB", (640, 360), (40, 40, 40))),
    "grain.jpg": drawn(lambda: grain(4)),
    "clear.png": drawn(lambda: Image.new("RGBA", (640, 360), (250, 0, 0, 0))),
    "dot.png": drawn(lambda: Image.new("RGB", (1, 1))),
    "jpeg_inside.png": drawn(picture, format="JPEG"),
    "tiff_inside.png": drawn(picture, format="TIFF"),
    "gif_inside.png": drawn(picture, format="GIF"),
    "page.png": written("<!doctype html><title>502 Bad Gateway</title>"),
    "drawing.png": written('<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'),
    "cut.jpg": half_of("good.jpg"),
    "cut.png": half_of("good.png"),
    "cut.webp": half_of("good.webp"),
    "bomb.png": lambda folder, path: huge_one_colour(path),
    "header_only.png": written(b"\x89PNG\r\n\x1a\n"),
    # anything
    "empty.bin": written(b""),
    "zeros.bin": written(bytes(4096)),
    # clips and videos
    "clip.mp4": coded(*H264, *FAST_START, inputs=(PICTURE,)),
    "old.mp4": coded("-c:v", "mpeg4", inputs=(PICTURE,)),
    "cut.mp4": half_of("clip.mp4"),
    "cut_at_the_front.mp4": lambda folder, path: path.write_bytes(folder.get("clip.mp4").read_bytes()[-20000:]),
    "only_sound.mp4": coded("-c:a", "aac", inputs=(TONE,)),
    "video.mp4": coded(
        *H264, "-c:a", "aac", "-af", "volume=-0.5dB,aformat=channel_layouts=mono", *FAST_START, inputs=(PICTURE, TONE)
    ),
    "silent_picture.mp4": coded(*H264, inputs=(PICTURE,), s=1),
    "one_frame.mp4": coded(*H264, "-frames:v", "1", inputs=(PICTURE,)),
    "slow.mp4": coded(*H264, "-r", "5", inputs=(PICTURE,)),
    "wide.mp4": coded(*H264, inputs=("color=size=9000x64:rate=25:duration={s}",), s=0.1),
    "streams.mp4": lambda folder, path: many_streams(path),
    "hours.mp4": lambda folder, path: claims_ten_hours(folder, path),
    "playlist.mp4": written("#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nfile:///etc/passwd\n"),
    "script.mp4": written("ffconcat version 1.0\nfile clip.mp4\n"),
    # voices
    "voice.mp3": voice("volume=0.8,tremolo=f=3:d=0.5"),
    "voice.wav": voice("volume=0.8"),
    "pause.wav": voice("volume=0.5:enable='lt(t,1)',volume=0:enable='between(t,1,3)'"),
    "mute.wav": voice("volume=0"),
    "loud.wav": voice("volume=40"),
    "half.mp3": half_of("voice.mp3"),
    "half.wav": half_of("voice.wav"),
    "streamed.wav": lambda folder, path: streamed(folder.get("voice.wav"), path),
    "cover.mp3": lambda folder, path: with_cover(folder, path),
    "cut.mp3": lambda folder, path: path.write_bytes(folder.get("voice.mp3").read_bytes()[:100]),
    "text.mp3": written("This is what the voice should have said.\n" * 20),
}


def streamed(whole: Path, path: Path) -> None:
    """A WAV as vendors send it while they speak: its header does not know the length yet."""
    content = bytearray(whole.read_bytes())
    at = content.index(b"data") + 4
    content[4:8] = content[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)


def with_cover(folder: Folder, path: Path) -> None:
    sources = ["-i", str(folder.get("voice.mp3")), "-i", str(folder.get("good.jpg"))]
    ffmpeg(*sources, "-map", "0:a", "-map", "1:v", "-c", "copy", "-disposition:v", "attached_pic", str(path))


def many_streams(path: Path) -> None:
    sounds = [word for _ in range(20) for word in ("-map", "1:a")]
    inputs = ["-f", "lavfi", "-i", PICTURE.format(s=1), "-f", "lavfi", "-i", TONE.format(s=1)]
    ffmpeg(*inputs, "-map", "0:v", *sounds, *H264, "-c:a", "aac", str(path))


def claims_ten_hours(folder: Folder, path: Path) -> None:
    """The length in the headers of film and tracks is made 18,000 times what it is."""
    content = bytearray(folder.get("clip.mp4").read_bytes())
    for box, at in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        start = content.index(box) + at
        length = int.from_bytes(content[start : start + 4], "big")
        content[start : start + 4] = min(length * 18000, 2**31).to_bytes(4, "big")
    path.write_bytes(content)


def two_hues() -> Image.Image:
    """Two colours of one brightness: 0.299 r + 0.587 g + 0.114 b."""
    made = Image.new("RGB", (640, 360), (196, 0, 0))
    ImageDraw.Draw(made).rectangle((100, 100, 300, 300), fill=(0, 100, 0))
    return made
