from __future__ import annotations

import random
import wave
from pathlib import Path

import numpy as np
import pytest

from providers.media.audio import measure_loudness, measure_voice
from providers.media.errors import BadMedia
from providers.media.ffmpeg import decode, still
from providers.media.ffprobe import probe, sniff

pytestmark = [pytest.mark.ffmpeg, pytest.mark.slow]


def test_a_video_tells_its_streams(talking_clip):
    info = probe(talking_clip)
    assert (info.format, info.duration_s, info.other_streams) == ("mov", pytest.approx(2, abs=0.03), 0)
    (video,), (audio,) = info.video, info.audio
    assert (video.codec, video.width, video.height, video.fps, video.frames) == ("h264", 160, 90, 25.0, 50)
    assert (audio.codec, audio.sample_rate, audio.channels) == ("aac", 48000, 2)


def test_whole_files_decode(talking_clip, make_sound, tmp_path):
    decode(talking_clip)
    for name in ("a.wav", "a.mp3", "a.ogg", "a.flac"):
        sound = make_sound(name, "sine=d=2")
        assert sniff(sound) == name[2:]
        decode(sound)
    still(talking_clip, tmp_path / "still.jpg", at_s=1, width=80)
    decode(tmp_path / "still.jpg")
    assert probe(tmp_path / "still.jpg").video[0].width == 80


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", ["talking.mp4", "a.wav", "a.mp3"])
def test_cut_files_are_refused(name, share, talking_clip, make_sound, tmp_path):
    source = talking_clip if name == "talking.mp4" else make_sound(name, "sine=d=3")
    cut = tmp_path / f"cut-{name}"
    content = source.read_bytes()
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadMedia, match=r"damaged|cut off"):
        decode(cut)


def test_damage_in_the_middle_is_found(talking_clip, tmp_path):
    content = bytearray(talking_clip.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = random.Random(7).randbytes(2000)
    (tmp_path / "hurt.mp4").write_bytes(content)
    with pytest.raises(BadMedia):
        decode(tmp_path / "hurt.mp4")


def test_a_concat_script_named_mp4_is_refused(talking_clip, tmp_path):
    script = tmp_path / "innocent.mp4"
    script.write_text(f"ffconcat version 1.0\nfile {talking_clip.name}\n")
    with pytest.raises(BadMedia, match=r"innocent\.mp4 is no video"):
        decode(script)


def test_a_playlist_behind_the_first_bytes_of_a_video_opens_no_neighbour(talking_clip, tmp_path):
    disguised = tmp_path / "disguised.mp4"
    disguised.write_bytes(b"\0\0\0\x10ftypffconcat version 1.0\nfile " + talking_clip.name.encode())
    with pytest.raises(BadMedia):
        probe(disguised)


@pytest.mark.parametrize("name", ["-y.mp4", "http:x.mp4", "a b'c\".mp4", "%d.mp4"])
def test_odd_file_names_are_only_names(name, talking_clip, tmp_path):
    odd = talking_clip.rename(tmp_path / name)
    assert probe(odd).video
    still(odd, tmp_path / "-still:1%d.jpg", width=64)
    assert (tmp_path / "-still:1%d.jpg").stat().st_size


def test_a_still_beyond_the_end_says_so(talking_clip, tmp_path):
    with pytest.raises(BadMedia, match="has no picture at 99 s"):
        still(talking_clip, tmp_path / "still.jpg", at_s=99)


def test_the_longest_silence_is_found_where_it_is(tmp_path):
    tone = 0.4 * np.sin(np.arange(24000) * 0.1)
    voice = write_wav(tmp_path / "v.wav", np.concatenate([tone, np.zeros(6000), tone, np.zeros(48000), tone]))
    measured = measure_voice(voice)
    assert measured.longest_silence_s == pytest.approx(2.0, abs=0.02)
    assert measured.longest_silence_at_s == pytest.approx(2.25, abs=0.02)
    assert measured.duration_s == pytest.approx(5.25)
    assert measured.clipped_samples == 0
    assert measured.peak_dbfs == pytest.approx(-7.96, abs=0.05)
    assert measured.sample_rate == 24000
    assert measured.bitrate_kbps == pytest.approx(384, abs=1)


def test_flat_tops_count_as_clipped_and_a_peak_that_fits_does_not(tmp_path):
    wave_ = np.sin(np.arange(24000) * 0.1)
    assert measure_voice(write_wav(tmp_path / "loud.wav", wave_ * 2)).clipped_share > 0.3
    fits = wave_ * 0.5
    fits[100] = 1.0
    assert measure_voice(write_wav(tmp_path / "fits.wav", fits)).clipped_samples == 0


def test_loudness_of_a_known_tone(make_sound):
    # EBU Tech 3341: a 1 kHz tone in both channels at -23 dBFS has -23 LUFS.
    tone = make_sound("t.wav", "sine=f=1000:d=4:r=48000,volume=0.5657,pan=stereo|c0=c0|c1=c0")
    measured = measure_loudness(tone)
    assert measured.integrated_lufs == pytest.approx(measured.true_peak_dbfs, abs=0.3)


def test_a_video_without_sound_has_no_voice(make_clip):
    with pytest.raises(BadMedia, match="has no sound"):
        measure_voice(make_clip("mute.mp4", seconds=0.2))


def write_wav(path: Path, samples: np.ndarray, rate: int = 24000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, len(samples), "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path
