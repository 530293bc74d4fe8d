from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from providers.adapters.studio.move import FPS, Path2D, boxes, choose_path, planes, write_frames
from providers.exceptions import Rejected, Unknown
from providers.media.ffprobe import probe
from providers.types import Capability, InputFile

pytestmark = [pytest.mark.slow, pytest.mark.ffmpeg]

FRAME = (1280, 720)


def track(seed, *, picture=(1792, 1024), seconds=5.0, frame=FRAME):
    return boxes(choose_path(seed, seconds), picture=picture, frame=frame, count=round(seconds * FPS))


@pytest.mark.parametrize("seed", range(12))
def test_the_camera_moves_without_steps(seed):
    """From frame to frame, a point on the screen is within 0.02 px of where its smooth course would take it."""
    course = np.array(
        [
            ((700 - left) / (right - left) * FRAME[0], (400 - top) / (bottom - top) * FRAME[1])
            for left, top, right, bottom in track(seed)
        ]
    )
    steps = np.diff(course, axis=0)
    noise = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
    assert np.abs(noise).max() <= 0.02


@pytest.mark.parametrize("picture", [(1792, 1024), (1024, 1792), (640, 640), (300, 200)])
@pytest.mark.parametrize("frame", [(1280, 720), (720, 1280), (1080, 1080)])
def test_the_camera_stays_inside_the_picture_and_keeps_the_shape(picture, frame):
    for left, top, right, bottom in track(4, picture=picture, frame=frame, seconds=20.0):
        assert left >= 0 and top >= 0
        assert right <= picture[0] + 1e-6 and bottom <= picture[1] + 1e-6
        assert (right - left) / (bottom - top) == pytest.approx(frame[0] / frame[1])


def test_the_seed_chooses_the_direction():
    directions = set()
    for first, last in ((line[0], line[-1]) for line in map(track, range(30))):
        right = last[0] + last[2] > first[0] + first[2]
        down = last[1] + last[3] > first[1] + first[3]
        closer = last[2] - last[0] < first[2] - first[0]
        directions.add((right, down, closer))
    assert len(directions) >= 6


def test_the_motion_is_slow_but_there_is_one():
    for seed in range(12):
        line = [((u0 + u1) / 2, (v0 + v1) / 2, u1 - u0) for u0, v0, u1, v1 in track(seed)]
        speed = np.abs(np.diff(np.array(line), axis=0)).sum(axis=1)
        assert speed.max() < 4  # pixels of the picture per frame
        assert speed.sum() > 60


def test_what_is_drawn_moves_as_smoothly_as_the_boxes():
    """A bright spot's centre, measured in the frames themselves, follows the boxes to 0.02 px."""
    size = (1400, 800)
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    spot = 255 * np.exp(-((x - 720) ** 2 + (y - 390) ** 2) / (2 * 14.0**2))
    picture = Image.fromarray(spot.astype(np.uint8)).convert("RGB")
    path = Path2D(share=(0.98, 0.9), x=(0.5, 0.52), y=(0.5, 0.48))
    frame = (640, 360)
    line = boxes(path, picture=size, frame=frame, count=40)
    frames: list[bytes] = []
    write_frames(picture, line, frame=frame, write=frames.append)
    errors = [
        measured - (720 - left) / (right - left) * frame[0]
        for (left, _, right, _), measured in zip(line, map(centre_x(frame), frames[::3]), strict=True)
    ]
    assert np.std(errors) <= 0.02
    assert np.abs(np.diff(errors)).max() <= 0.02


def centre_x(frame):
    def measure(plane):
        tones = np.frombuffer(plane, dtype=np.uint8).reshape(frame[1], frame[0]).astype(float)
        tones = np.clip(tones - 24, 0, None)
        return (tones.sum(axis=0) * (np.arange(frame[0]) + 0.5)).sum() / tones.sum()

    return measure


def test_colours_become_the_video_range_of_bt709():
    for rgb, expected in (
        ((255, 255, 255), (235, 128, 128)),
        ((0, 0, 0), (16, 128, 128)),
        ((255, 0, 0), (63, 102, 240)),
    ):
        luma, blue, red = planes(Image.new("RGB", (8, 8), rgb))
        assert [plane.getpixel((2, 2)) for plane in (luma, blue, red)] == pytest.approx(list(expected), abs=1)


@pytest.mark.ffmpeg
def test_a_clip_is_what_was_asked_for(studio, picture):
    made = studio(Capability.CLIP, inputs=(picture(),), width=1280, height=720, seconds=5.0, seed=2)
    info = probe(made.path)
    (video,) = info.video
    assert (video.codec, video.width, video.height, video.pixel_format) == ("h264", 1280, 720, "yuv420p")
    assert video.fps == pytest.approx(25)
    assert info.duration_s == pytest.approx(5.0, abs=0.02)
    assert info.audio == ()
    head = made.path.read_bytes()[:4096]
    assert b"moov" in head  # players and range requests start at once
    assert (made.media_type, made.units) == ("video/mp4", {"seconds": 5})


@pytest.mark.ffmpeg
@pytest.mark.parametrize("size", [(360, 640), (300, 300), (321, 181)])
def test_clips_of_other_shapes(studio, picture, size):
    source = picture(width=640, height=360)
    made = studio(Capability.CLIP, inputs=(source,), width=size[0], height=size[1], seconds=1.32)
    (video,) = probe(made.path).video
    assert (video.width, video.height) == (size[0] // 2 * 2, size[1] // 2 * 2)
    assert video.duration_s == pytest.approx(1.32, abs=0.001)


@pytest.mark.ffmpeg
def test_equal_seeds_give_equal_frames(studio, picture):
    source = picture(width=320, height=180)
    one, two = (
        studio(Capability.CLIP, inputs=(source,), width=160, height=90, seconds=1, seed=9).path.read_bytes()
        for _ in range(2)
    )
    assert one == two


def test_a_clip_without_a_picture_is_refused(studio):
    with pytest.raises(Rejected, match="from a picture, and this scene has none"):
        studio(Capability.CLIP, width=320, height=180, seconds=2)


@pytest.mark.parametrize("seconds", [0, 20.5, 600])
def test_a_length_nobody_sells_is_refused(studio, tmp_path, seconds):
    source = InputFile(path=tmp_path / "none.jpg", sha256="", media_type="image/jpeg", role="image")
    with pytest.raises(Rejected, match="up to 20 s"):
        studio(Capability.CLIP, inputs=(source,), width=320, height=180, seconds=seconds)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0broken", b"GIF89a" + b"\0" * 40])
def test_a_picture_that_cannot_be_read_is_refused_with_the_remedy(studio, tmp_path, content):
    (tmp_path / "bad.jpg").write_bytes(content)
    source = InputFile(path=tmp_path / "bad.jpg", sha256="", media_type="image/jpeg", role="image")
    with pytest.raises(Rejected, match="cannot be read. Make or upload it again"):
        studio(Capability.CLIP, inputs=(source,), width=320, height=180, seconds=2)


def test_a_missing_encoder_is_named_with_the_way_to_install_it(studio, picture, monkeypatch):
    source = picture(width=320, height=180)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unknown, match="ffmpeg is not installed.*apt-get install ffmpeg"):
        studio(Capability.CLIP, inputs=(source,), width=160, height=90, seconds=1)
