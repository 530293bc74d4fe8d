from __future__ import annotations

import pytest

from qc.measure.voiceover import measure_voiceover

pytestmark = [pytest.mark.ffmpeg, pytest.mark.slow]


@pytest.mark.parametrize("name", ["voice.mp3", "voice.wav"])
def test_a_voice_is_measured(media, name):
    facts = measure_voiceover(media.get(name))
    assert (facts.error, facts.clipped_samples, facts.sample_rate) == ("", 0, 48000)
    assert facts.duration_s == pytest.approx(4, abs=0.1)
    assert facts.longest_silence_s < 0.2 and facts.bitrate_kbps > 32
    assert facts.size_bytes == media.get(name).stat().st_size


def test_a_pause_is_found_with_its_place(media):
    facts = measure_voiceover(media.get("pause.wav"))
    assert facts.longest_silence_s == pytest.approx(2, abs=0.05)
    assert facts.longest_silence_at_s == pytest.approx(1, abs=0.05)


def test_overdriven_sound_is_clipped(media):
    assert measure_voiceover(media.get("loud.wav")).clipped_share > 0.1
