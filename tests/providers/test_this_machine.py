from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from providers.adapters.this_machine import ThisMachine
from providers.exceptions import NotSent, Rejected
from providers.media import fonts
from providers.media.audio import measure_loudness, measure_voice
from providers.media.errors import MediaTimeout
from providers.media.ffmpeg import decode, ffmpeg, h264_args, mp4_args
from providers.media.ffprobe import input_args, probe
from providers.types import Capability, InputFile, Recovery, Request

pytestmark = [pytest.mark.ffmpeg, pytest.mark.slow]

NARRATION = "Bees can count, and they know zero. It has been shown."


@pytest.fixture
def make_request(tmp_path):
    """Scenes are (colour of the clip, its seconds, seconds of the voice)."""

    def make(scenes, *, width=160, height=90, sound="aevalsrc='0.3*sin(900*t)*gt(sin(7*t),0)'", **extra):
        inputs, parts = [], []
        for number, (colour, clip_s, voice_s) in enumerate(scenes):
            clip, voice = tmp_path / f"c{number}.mp4", tmp_path / f"v{number}.wav"
            source = ["-f", "lavfi", "-i", f"color=c={colour}:s={width}x{height}:d={clip_s}:r=25"]
            ffmpeg([*source, *h264_args(preset="ultrafast"), *mp4_args(clip)], timeout_s=30)
            ffmpeg(["-f", "lavfi", "-i", f"{sound}:s=22050:d={voice_s}", f"file:{voice}"], timeout_s=30)
            inputs += [input_file(clip, f"clip:{number}"), input_file(voice, f"voiceover:{number}")]
            parts.append({"narration": NARRATION, "voice_s": voice_s})
        return request(inputs, width=width, height=height, scenes=parts, **extra)

    return make


@pytest.fixture
def render(tmp_path):
    def submit(wanted, **kwargs):
        workdir = tmp_path / f"work{len(list(tmp_path.iterdir()))}"
        workdir.mkdir()
        made = ThisMachine(workdir=workdir, **kwargs).submit(wanted)
        assert made.units == {"renders": 1}
        assert [(output.role, output.media_type) for output in made.outputs] == [
            ("", "video/mp4"), ("srt", "application/x-subrip"), ("vtt", "text/vtt"), ("poster", "image/jpeg"),
        ]  # fmt: skip
        return [output.path for output in made.outputs]

    return submit


def test_it_is_free_and_local():
    assert ThisMachine.recovery_of(Capability.RENDER) is Recovery.FREE
    assert ThisMachine.local
    assert ThisMachine.deadline_of(Capability.RENDER) == 600


def test_clips_are_cut_slowed_and_held_to_the_length_of_the_voice(make_request, render):
    # Longer than its voice; 10 % too short, so slowed; far too short, so slowed and held.
    video, *_ = render(make_request([("red", 2, 1.01), ("lime", 1, 1.1), ("blue", 0.4, 1.5)]))
    info = probe(video)
    frames = [26, 28, 38]  # whole frames that cover 1.01 s, 1.1 s and 1.5 s
    assert info.video[0].frames == sum(frames)
    assert (info.video[0].codec, info.video[0].pixel_format, info.video[0].fps) == ("h264", "yuv420p", 25)
    assert (info.audio[0].codec, info.audio[0].sample_rate) == ("aac", 48000)
    assert abs(info.video[0].duration_s - info.audio[0].duration_s) <= 1 / 25
    decode(video)
    shown = colours(video)
    assert len(shown) == sum(frames)
    assert "".join(shown) == "r" * 26 + "g" * 28 + "b" * 38


def test_a_slowed_clip_keeps_its_speed_within_fifteen_percent_and_shows_its_end(tmp_path, make_request, render):
    """The clip turns from red to blue at 0.8 s of 1 s: at 0.8 s × 1.1 in a scene of 1.1 s, × 1.15 in one of 2 s."""
    turning = tmp_path / "turning.mp4"
    both = "color=red:s=160x90:d=0.8:r=25[a];color=blue:s=160x90:d=0.2:r=25[b];[a][b]concat"
    ffmpeg(["-filter_complex", both, *h264_args(preset="ultrafast"), *mp4_args(turning)], timeout_s=30)
    for voice_s, turn in ((1.1, 22), (2.0, 23)):
        wanted = make_request([("red", 1, voice_s)])
        wanted = request([input_file(turning, "clip:0"), wanted.inputs[1]], scenes=wanted.extra["scenes"])
        shown = colours(render(wanted)[0])
        assert shown[-1] == "b"
        assert abs(shown.index("b") - turn) <= 1


def test_a_cross_fade_leaves_speech_in_its_place(make_request, render):
    scenes = [("red", 2, 1.0), ("blue", 2, 1.0), ("lime", 1, 1.0)]
    plain, faded = render(make_request(scenes)), render(make_request(scenes, crossfade_s=0.4))
    assert probe(plain[0]).video[0].frames == probe(faded[0]).video[0].frames == 75
    assert faded[1].read_text() == plain[1].read_text()
    mixed = levels(faded[0])
    assert mixed[24][0] > 240, "the first scene is whole to its last frame"
    assert 60 < mixed[30][0] < 200, "halfway through the overlap both are seen"
    assert 60 < mixed[30][2] < 200
    assert mixed[37][0] < 20, "after the overlap the second is alone"
    assert levels(plain[0])[25][0] < 20


def test_every_voice_starts_with_its_scene(tmp_path, make_request, render):
    """Voices that do not fill whole frames must not shift those after them."""
    wanted = make_request([("red", 1, 0.61)] * 5, sound="aevalsrc='0.5*sin(3000*t)*lt(t,0.1)'")
    video = render(wanted)[0]
    pcm = ffmpeg([*input_args(video), "-vn", "-ac", "1", "-ar", "8000", "-f", "s16le", "pipe:1"], timeout_s=10).stdout
    loud = [index / 8000 for index in range(0, len(pcm) // 2, 8) if abs(int.from_bytes(
        pcm[index * 2 : index * 2 + 2], "little", signed=True)) > 3000]  # fmt: skip
    begins = [loud[0], *(after for before, after in zip(loud, loud[1:], strict=False) if after - before > 0.2)]
    assert len(begins) == 5
    assert all(abs(begin - number * 16 / 25) <= 1 / 25 for number, begin in enumerate(begins))


@pytest.mark.parametrize("volume", [0.03, 0.9])
def test_speech_comes_out_at_the_target_loudness(volume, tmp_path, make_request, render):
    spoken, voice = tmp_path / "spoken.wav", tmp_path / "voice.wav"
    subprocess.run(["espeak-ng", "-w", spoken, NARRATION], check=True)
    ffmpeg([*input_args(spoken), "-af", f"volume={volume}", f"file:{voice}"], timeout_s=10)
    wanted = make_request([("red", 1, 1)])
    scenes = [{"narration": NARRATION, "voice_s": measure_voice(voice).duration_s}]
    video = render(request([wanted.inputs[0], input_file(voice, "voiceover:0")], scenes=scenes))[0]
    measured = measure_loudness(video)
    assert abs(measured.integrated_lufs + 14) <= 0.5
    assert measured.true_peak_dbfs <= -0.5


def test_a_scene_without_sound_stays_silent(make_request, render):
    wanted = make_request([("red", 1, 1)])
    video = render(request(wanted.inputs[:1], scenes=[{"narration": "", "voice_s": 1.0}]))[0]
    assert measure_loudness(video).integrated_lufs <= -60
    assert probe(video).video[0].frames == 25


@pytest.mark.parametrize(("width", "height"), [(160, 90), (90, 160), (128, 128)])
def test_each_shape_has_its_size_poster_and_burned_captions(width, height, make_request, render):
    scenes = [("gray", 1, 1.0)]
    video, srt, vtt, poster = render(
        make_request(scenes, width=width, height=height, burn_captions=True, overlay_text="T: 100%")
    )
    for path in (video, poster):
        assert (probe(path).video[0].width, probe(path).video[0].height) == (width, height)
    rows = bright_rows(video, width, height)
    assert any(row < height * 0.3 for row in rows), "the overlay is at the top"
    assert any(row > height * 0.6 for row in rows), "the captions are at the bottom"
    assert not any(height * 0.4 < row < height * 0.55 for row in rows), "nothing is drawn between them"
    assert "Bees can count" in srt.read_text()
    assert vtt.read_text().startswith("WEBVTT")
    assert b"moov" in video.read_bytes()[:4096], "the index comes first"


def test_a_clip_of_another_shape_fills_the_picture(make_request, render):
    wanted = make_request([("red", 1, 0.4)], width=160, height=90)
    video = render(request(list(wanted.inputs), width=90, height=160, scenes=wanted.extra["scenes"]))[0]
    assert set(colours(video)) == {"r"}


def test_sending_is_announced_once_and_only_for_a_sound_request(make_request, render):
    announced = []
    with pytest.raises(Rejected):
        render(request([]), on_wire=lambda: announced.append(1))
    assert not announced
    render(make_request([("red", 0.5, 0.4)]), on_wire=lambda: announced.append(1))
    assert announced == [1]


def test_what_is_missing_is_named(make_request, render):
    whole = make_request([("red", 0.4, 0.4), ("red", 0.4, 0.4)])
    scenes = whole.extra["scenes"]
    for inputs, options, sentence in (
        (whole.inputs, {"scenes": []}, "There is no scene"),
        (whole.inputs[:2], {"scenes": scenes}, "Scene 2 has no clip"),
        (whole.inputs[:3], {"scenes": [scenes[0], {}]}, "Scene 2 has no voiceover and no length"),
        (whole.inputs, {"scenes": scenes, "width": 161}, "161 by 90"),
        (whole.inputs, {"scenes": scenes, "fps": 500}, "500 frames per second"),
        (whole.inputs, {"scenes": scenes, "crossfade_s": "1;x"}, "crossfade_s is no number"),
    ):
        with pytest.raises(Rejected, match=re.escape(sentence)):
            render(request(list(inputs), **options))


def test_a_damaged_file_is_named_by_its_scene(make_request, render):
    wanted = make_request([("red", 0.4, 0.4), ("red", 0.4, 0.4)])
    for position, what in ((2, "clip"), (3, "voiceover")):
        path, whole = wanted.inputs[position].path, wanted.inputs[position].path.read_bytes()
        path.write_bytes(b"ffconcat version 1.0\nfile c0.mp4\n")
        with pytest.raises(Rejected, match=f"The {what} of scene 2 cannot be used"):
            render(wanted)
        path.write_bytes(whole)


def test_a_missing_font_is_told_before_anything_is_encoded(make_request, render, monkeypatch):
    monkeypatch.setattr(fonts, "has_font", lambda code: code != "ja")
    monkeypatch.setattr("providers.media.assemble.write_segment", lambda *_, **__: pytest.fail("encoded"))
    wanted = make_request([("red", 0.4, 0.4)], overlay_text="ハチ")
    with pytest.raises(Rejected, match=r"No font for Japanese.*fonts-noto-cjk"):
        render(wanted)


def test_what_passes_by_itself_may_be_sent_again(make_request, render, monkeypatch):
    def too_slow(*_):
        raise MediaTimeout("ffmpeg did not finish within 60 s.")

    wanted = make_request([("red", 0.4, 0.4)])
    monkeypatch.setattr("providers.adapters.this_machine.render", too_slow)
    with pytest.raises(NotSent, match="did not finish"):
        render(wanted)


def request(inputs, *, width=160, height=90, scenes=(), **extra):
    return Request(
        capability=Capability.RENDER, offer="render", prompt="", inputs=tuple(inputs), width=width, height=height,
        extra={"fps": 25, "scenes": list(scenes), **extra},
    )  # fmt: skip


def input_file(path: Path, role: str) -> InputFile:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return InputFile(path=path, sha256=digest, media_type="", role=role)


def levels(video):
    """The colour of each frame."""
    tiny = ["-vf", "scale=1:1:flags=area", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"]
    raw = ffmpeg([*input_args(video), "-an", *tiny], timeout_s=10).stdout
    return [tuple(raw[at : at + 3]) for at in range(0, len(raw), 3)]


def colours(video):
    return ["rgb"[level.index(max(level))] for level in levels(video)]


def bright_rows(video, width, height):
    grey = ["-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "pipe:1"]
    raw = ffmpeg([*input_args(video), *grey], timeout_s=10).stdout
    return [row for row in range(height) if max(raw[row * width : (row + 1) * width]) > 200]
