from __future__ import annotations

import pytest

from qc.measure.render import measure_render

pytestmark = [pytest.mark.ffmpeg, pytest.mark.slow]


def test_a_video_is_measured(media):
    facts = measure_render(media.get("video.mp4"))
    assert (facts.error, facts.video_codecs, facts.audio_codecs, facts.other_streams) == ("", ("h264",), ("aac",), 0)
    assert (facts.width, facts.height, facts.fps) == (320, 180, 25.0)
    assert facts.duration_s == pytest.approx(2, abs=0.1)
    assert facts.picture_s == pytest.approx(facts.sound_s, abs=0.05)
    assert -30 < facts.integrated_lufs < -10 and facts.true_peak_dbfs < 0


def test_a_video_without_sound_has_no_loudness(media):
    facts = measure_render(media.get("silent_picture.mp4"))
    assert (facts.error, facts.audio_codecs, facts.integrated_lufs, facts.sound_s) == ("", (), None, 0.0)
