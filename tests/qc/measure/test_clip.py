from __future__ import annotations

import pytest

from qc.measure.clip import measure_clip

pytestmark = [pytest.mark.ffmpeg, pytest.mark.slow]


def test_a_clip_is_measured(media):
    facts = measure_clip(media.get("clip.mp4"))
    assert (facts.error, facts.format, facts.codec, facts.pixel_format) == ("", "mov", "h264", "yuv420p")
    assert (facts.width, facts.height, facts.fps, facts.frames) == (320, 180, 25.0, 50)
    assert facts.duration_s == pytest.approx(2, abs=0.05)
    assert (facts.size_bytes, facts.audio_streams) == (media.get("clip.mp4").stat().st_size, 0)


def test_another_codec_is_a_fact_and_no_error(media):
    facts = measure_clip(media.get("old.mp4"))
    assert (facts.error, facts.codec) == ("", "mpeg4")
