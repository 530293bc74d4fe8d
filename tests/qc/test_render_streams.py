from __future__ import annotations

import pytest

from qc.types import RenderFacts

from .verdicts import FAILED, PASSED, verdict


@pytest.mark.parametrize(
    ("video", "audio", "others", "status", "measured"),
    [
        (("h264",), ("aac",), 0, PASSED, "h264 + aac"),
        (("hevc",), ("aac",), 0, FAILED, "hevc + aac"),
        (("h264",), ("mp3",), 0, FAILED, "h264 + mp3"),
        (("h264",), (), 0, FAILED, "h264 + no sound"),
        ((), ("aac",), 0, FAILED, "no picture + aac"),
        (("h264", "h264"), ("aac",), 0, FAILED, "h264, h264 + aac"),
        (("h264",), ("aac", "aac"), 0, FAILED, "h264 + aac, aac"),
        (("h264",), ("aac",), 1, FAILED, "h264 + aac and 1 other"),
    ],
)
def test_one_picture_one_sound_and_nothing_else(video, audio, others, status, measured):
    result = verdict("render.streams", RenderFacts(video_codecs=video, audio_codecs=audio, other_streams=others))
    assert (result.status, result.measured) == (status, measured)
