"""Files as the world sends them: every one gets a sentence, none an exception or a verdict of passed."""

from __future__ import annotations

import json
import re

import pytest

from qc.inspection import examine
from qc.types import Expectations, Limits, Status

pytestmark = pytest.mark.slow

SCENE = {"narration": "Bees dance.", "visual_prompt": "A hive", "seconds": 5, "hero": False}
SCRIPT = {"title": "Bees", "hook": "Why?", "description": "Of bees.", "hashtags": [], "scenes": [SCENE]}

BAD = [
    ("image", "cut.jpg", "The picture is cut off"),
    ("image", "cut.png", "The picture is cut off|The picture is damaged"),
    ("image", "cut.webp", "The picture is damaged|no PNG, JPEG or WebP|cut off"),
    ("image", "header_only.png", "The picture is cut off|The picture is damaged|no PNG, JPEG or WebP"),
    ("image", "bomb.png", "more than 40 million pixels"),
    ("image", "page.png", "no PNG, JPEG or WebP picture"),
    ("image", "drawing.png", "no PNG, JPEG or WebP picture"),
    ("image", "tiff_inside.png", "no PNG, JPEG or WebP picture"),
    ("image", "gif_inside.png", "no PNG, JPEG or WebP picture"),
    ("image", "zeros.bin", "no PNG, JPEG or WebP picture"),
    ("image", "empty.bin", "The file is empty"),
]
BAD_MEDIA = [
    ("clip", "cut.mp4", "cut off|damaged"),
    ("clip", "cut_at_the_front.mp4", "no video, sound or picture|damaged"),
    ("clip", "only_sound.mp4", "only sound and no picture"),
    ("clip", "streams.mp4", "more than 16 streams"),
    ("clip", "wide.mp4", "9000×64; sides above 8192"),
    ("clip", "hours.mp4", "claims to last|cut off"),
    ("clip", "playlist.mp4", "no video, sound or picture"),
    ("clip", "script.mp4", "no video, sound or picture"),
    ("clip", "good.jpg", "no video .* but jpeg"),
    ("clip", "voice.mp3", "no video .* but mp3"),
    ("clip", "zeros.bin", "no video, sound or picture"),
    ("clip", "empty.bin", "The file is empty"),
    ("render", "cut.mp4", "cut off|damaged"),
    ("render", "only_sound.mp4", "only sound and no picture"),
    ("render", "empty.bin", "The file is empty"),
    ("voiceover", "text.mp3", "no video, sound or picture"),
    ("voiceover", "half.mp3", "cut off"),
    ("voiceover", "half.wav", "damaged|cut off"),
    ("voiceover", "cut.mp3", "damaged|no sound that can be decoded|failed"),
    ("voiceover", "good.jpg", "a picture and no sound"),
    ("voiceover", "clip.mp4", "has no sound"),
    ("voiceover", "zeros.bin", "no video, sound or picture"),
    ("voiceover", "empty.bin", "The file is empty"),
]
BAD_TEXT = [
    ("script", "", "The file is empty|The answer is empty"),
    ("script", json.dumps(SCRIPT)[:90], "cut off"),
    ("script", "```json\n" + json.dumps(SCRIPT)[:90], "cut off"),
    ("script", "Here you go: " + json.dumps(SCRIPT), "not JSON"),
    ("script", json.dumps({**SCRIPT, "scenes": [SCENE] * 1000}), "1,000 scenes"),
    ("script", json.dumps({**SCRIPT, "scenes": []}), "no scenes"),
    ("script", json.dumps({**SCRIPT, "title": "<script>alert(1)</script>"}), "holds markup"),
    ("script", "[" * 150_000, "nested too deeply"),
    ("script", "\x00\x01\x02", "not JSON"),
    ("moderation", "<html>502 Bad Gateway</html>", "not JSON"),
    ("moderation", "{}", "“flagged” is missing"),
    ("moderation", "", "The file is empty|The answer is empty"),
]


def assert_it_gets_a_sentence(path, kind, said):
    thumbnail = path.with_name("thumbnail.jpg")
    found = examine(
        path, kind=kind, media_type="", expected=Expectations(scenes=1), limits=Limits(), thumbnail=thumbnail
    )
    first, *others = found.results
    assert not found.passed and first.status is Status.FAILED
    assert re.search(said, first.sentence), first.sentence
    assert "Traceback" not in first.sentence and str(path.parent) not in first.sentence
    assert first.sentence.endswith(".") and len(first.sentence) < 300
    assert all(other.status is Status.SKIPPED for other in others)
    assert not thumbnail.exists()
    json.dumps(found.facts)


@pytest.mark.parametrize(("kind", "name", "said"), BAD)
def test_a_bad_picture_gets_a_sentence(media, kind, name, said):
    assert_it_gets_a_sentence(media.get(name), kind, said)


@pytest.mark.ffmpeg
@pytest.mark.parametrize(("kind", "name", "said"), BAD_MEDIA)
def test_a_bad_sound_or_video_gets_a_sentence(media, kind, name, said):
    assert_it_gets_a_sentence(media.get(name), kind, said)


@pytest.mark.parametrize(("kind", "text", "said"), BAD_TEXT, ids=range(len(BAD_TEXT)))
def test_a_bad_answer_gets_a_sentence(tmp_path, kind, text, said):
    path = tmp_path / "answer.json"
    path.write_text(text)
    assert_it_gets_a_sentence(path, kind, said)


def test_a_wrong_extension_is_read_by_content(media):
    found = examine(
        media.get("jpeg_inside.png"), kind="image", media_type="image/png", expected=Expectations(), limits=Limits()
    )
    assert found.passed
    assert found.results[0].sentence == "The picture can be read; it is JPEG although it came as image/png."


def test_a_fence_around_a_script_is_no_flaw(tmp_path):
    path = tmp_path / "script.json"
    path.write_text("```json\n" + json.dumps(SCRIPT) + "\n```")
    found = examine(path, kind="script", media_type="", expected=Expectations(scenes=1), limits=Limits())
    assert found.passed
