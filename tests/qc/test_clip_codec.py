from __future__ import annotations

import pytest

from qc.types import ClipFacts, Limits

from .verdicts import FAILED, PASSED, verdict


@pytest.mark.parametrize(
    ("codec", "status"), [("h264", PASSED), ("av1", PASSED), ("vp9", PASSED), ("mpeg4", FAILED), ("", FAILED)]
)
def test_only_codecs_that_browsers_play(codec, status):
    assert verdict("clip.codec", ClipFacts(codec=codec)).status == status


def test_the_list_is_the_profiles_however_it_is_typed():
    limits = Limits(clip_codecs=" H264 ,, prores,")
    assert verdict("clip.codec", ClipFacts(codec="prores"), limits=limits).status == PASSED
    assert verdict("clip.codec", ClipFacts(codec="vp9"), limits=limits).status == FAILED
    assert verdict("clip.codec", ClipFacts(codec=""), limits=limits).status == FAILED
