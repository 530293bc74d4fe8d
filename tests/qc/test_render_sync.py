from __future__ import annotations

import pytest

from qc.types import Limits, RenderFacts

from .verdicts import FAILED, PASSED, SKIPPED, verdict


def video(*, picture_s, sound_s, fps=25.0, audio=("aac",)):
    return RenderFacts(picture_s=picture_s, sound_s=sound_s, fps=fps, video_codecs=("h264",), audio_codecs=audio)


@pytest.mark.parametrize(
    ("picture_s", "sound_s", "status"),
    [(10.0, 10.0, PASSED), (10.0, 10.04, PASSED), (10.04, 10.0, PASSED), (10.0, 10.05, FAILED), (10.05, 10.0, FAILED)],
)
def test_picture_and_sound_end_within_one_frame(picture_s, sound_s, status):
    assert verdict("render.sync", video(picture_s=picture_s, sound_s=sound_s)).status == status


def test_the_limit_is_in_frames_of_this_video():
    slow, fast = video(picture_s=10, sound_s=10.03, fps=25), video(picture_s=10, sound_s=10.03, fps=50)
    assert verdict("render.sync", slow).status == PASSED
    assert verdict("render.sync", fast).status == FAILED
    assert verdict("render.sync", fast, limits=Limits(render_max_drift_frames=2)).status == PASSED


def test_without_sound_there_is_nothing_to_compare():
    assert verdict("render.sync", video(picture_s=10, sound_s=0, audio=())).status == SKIPPED
