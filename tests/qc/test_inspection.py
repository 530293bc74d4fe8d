"""The whole way with real files: measured, judged, a thumbnail beside it."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from providers.media import sandbox
from providers.media.errors import ProgramMissing, Stopped
from qc.inspection import examine
from qc.types import Expectations, Limits, Status

pytestmark = pytest.mark.slow

HD = Expectations(width=640, height=360, aspect_ratio="16:9", references=("ab12",))
SMALL = Expectations(width=320, height=180, seconds=2, fps=25, sum_s=2)


def looked_at(path, kind, expected, **kwargs):
    return examine(path, kind=kind, media_type="", expected=expected, limits=Limits(), **kwargs)


def failed(examined):
    return [result.name for result in examined.results if result.status is Status.FAILED]


def skipped(examined):
    return [result.name for result in examined.results if result.status is Status.SKIPPED]


def test_a_good_picture_passes_and_the_style_is_visibly_not_run(media, tmp_path):
    path = media.get("good.jpg")
    examined = looked_at(path, "image", HD, thumbnail=tmp_path / "small.jpg")
    assert examined.passed and (failed(examined), skipped(examined)) == ([], ["image.style"])
    assert (examined.width, examined.height, examined.duration_s) == (640, 360, 0.0)
    assert examined.file_hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert examined.expectations_hash == HD.hash()
    assert [each.name for each in tmp_path.iterdir()] == ["small.jpg"]


@pytest.mark.parametrize(
    ("name", "expected", "found"),
    [
        ("flat.jpg", HD, ["image.not_blank"]),
        ("grain.jpg", HD, ["image.not_blank"]),
        ("clear.png", HD, ["image.not_blank"]),
        ("turned.jpg", HD, ["image.aspect", "image.resolution"]),
        ("cut.jpg", HD, ["image.decodes"]),
        ("night.jpg", HD, []),
        ("hues.png", HD, []),
    ],
)
def test_each_flaw_of_a_picture_is_found_by_its_own_check(media, name, expected, found):
    examined = looked_at(media.get(name), "image", expected)
    assert (failed(examined), examined.passed) == (found, not found)


def test_a_picture_that_fails_a_check_has_a_thumbnail_for_the_reviewer(media, tmp_path):
    assert not looked_at(media.get("flat.jpg"), "image", HD, thumbnail=tmp_path / "small.jpg").passed
    assert (tmp_path / "small.jpg").exists()


def test_a_picture_that_cannot_be_read_leaves_no_thumbnail(media, tmp_path):
    looked_at(media.get("cut.jpg"), "image", HD, thumbnail=tmp_path / "small.jpg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("kind", "name", "found"),
    [
        ("clip", "clip.mp4", []),
        ("clip", "old.mp4", ["clip.codec"]),
        ("clip", "slow.mp4", ["clip.frame_rate"]),
        ("clip", "one_frame.mp4", ["clip.duration"]),
        ("clip", "cut.mp4", ["clip.decodes"]),
        ("render", "video.mp4", ["render.loudness"]),
        ("render", "silent_picture.mp4", ["render.duration", "render.streams"]),
    ],
)
def test_each_flaw_of_a_video_is_found_by_its_own_check(media, tmp_path, kind, name, found):
    examined = looked_at(media.get(name), kind, SMALL, thumbnail=tmp_path / "poster.jpg")
    assert (failed(examined), examined.passed) == (found, not found)
    assert (tmp_path / "poster.jpg").exists() is (name != "cut.mp4")


@pytest.mark.ffmpeg
def test_a_poster_is_a_picture_of_the_clip(media, tmp_path):
    examined = looked_at(media.get("clip.mp4"), "clip", SMALL, thumbnail=tmp_path / "poster.jpg")
    assert (examined.width, examined.height) == (320, 180) and 1.9 < examined.duration_s < 2.1
    with Image.open(tmp_path / "poster.jpg") as poster:
        assert (poster.format, poster.size) == ("JPEG", (320, 180))


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("voice.mp3", []),
        ("voice.wav", []),
        ("streamed.wav", []),
        ("cover.mp3", []),
        ("pause.wav", ["voiceover.silence"]),
        ("mute.wav", ["voiceover.silence"]),
        ("loud.wav", ["voiceover.clipping"]),
        ("cut.mp3", ["voiceover.decodes"]),
    ],
)
def test_each_flaw_of_a_voice_is_found_by_its_own_check(media, name, found):
    examined = looked_at(media.get(name), "voiceover", Expectations(seconds=4))
    assert (failed(examined), examined.passed) == (found, not found)


def test_a_script_is_judged(tmp_path):
    path = tmp_path / "script.json"
    path.write_text(
        '{"title": "a", "hook": "", "description": "", "hashtags": [],'
        ' "scenes": [{"narration": "b", "visual_prompt": "c", "seconds": 9}]}'
    )
    assert looked_at(path, "script", Expectations(scenes=1, seconds=10)).passed
    assert failed(looked_at(path, "script", Expectations(scenes=2, seconds=30))) == ["script.length", "script.scenes"]


def test_moderation_is_judged(tmp_path):
    path = tmp_path / "answer.json"
    path.write_text('{"flagged": false, "categories": {"hate": 0.1}}')
    assert looked_at(path, "moderation", Expectations()).passed
    path.write_text('{"flagged": true, "categories": {"hate": 0.9}}')
    assert failed(looked_at(path, "moderation", Expectations())) == ["moderation.clear"]


def test_many_threads_look_at_many_files_without_a_database(media):
    """No database mark here: a query in a thread or outside would fail."""
    paths = [media.get(name) for name in ("good.jpg", "good.png", "flat.jpg", "cut.jpg")] * 2
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda path: looked_at(path, "image", HD).passed, paths))
    assert verdicts == [True, True, False, False] * 2


def test_a_missing_program_is_no_fault_of_the_file(media, monkeypatch, tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(100))
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(ProgramMissing):
        looked_at(clip, "clip", SMALL)


def test_being_stopped_is_no_fault_of_the_file(media, monkeypatch):
    path = media.get("good.png")
    start = sandbox._start

    def start_and_stop(*args, **kwargs):
        child = start(*args, **kwargs)
        sandbox.end_all()
        return child

    monkeypatch.setattr(sandbox, "_start", start_and_stop)
    with pytest.raises(Stopped):
        looked_at(path, "image", HD)
