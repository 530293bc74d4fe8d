from __future__ import annotations

import itertools

import ffmpeg as graph
import pytest

from providers.media import fonts
from providers.media.ffmpeg import decode, ffmpeg, start
from providers.media.ffprobe import input_args
from providers.media.fonts import FontMissing, require_fonts
from providers.media.overlay import MAX_LINES, drawn, fitted, write_overlay
from providers.media.sandbox import run
from providers.media.segment import FittedClip, Frame, Segment, write_segment
from providers.media.wrapping import plain

pytestmark = pytest.mark.ffmpeg

SIGNS = ["'", '"', "\\", ":", "%", "[", "]", "{", "}", ";", ",", "=", "\n", "\0", "🐝", "שלום"]
WHOLE = [
    "%{pts}", "%{localtime}", "%{metadata:x}", "%%", "${HOME}", "$(id)", "textfile=/etc/passwd", "':text='x",
    "[in][out]",
    "\\:\\'\\\\", "a\\Nb", "{\\an8}x", "'" * 50, "\\" * 50, "%" * 50, ":" * 50, "[" * 50, "x" * 5000, "word " * 1000,
    "\\'%:[];,=" * 556, "👩‍🚀👨‍👩‍👧‍👦🏳️‍🌈", "🐝" * 200, "مرحبا بالعالم: 100%", "\u202eabc\u202c", "e\u0301" * 30,
    "\ud800", "\x07\x1b[31m",
    "", " \n\t ", "-loglevel debug", "file:x", "http://example.com/?a=b&c=d", "<b>bold</b>", "a\r\nb\rc", "\ufeffBOM",
    "½ © € —",
]  # fmt: skip
CORPUS = [*WHOLE, *(f"a{first}{second}b" for first, second in itertools.product(SIGNS[:10], SIGNS[:8]))]
WIDTH, HEIGHT = 96, 64


@pytest.fixture
def frames(tmp_path):
    """Draws each text on a grey picture of its own, all in one call; their pixels."""

    def draw(texts, draw_one=drawn):
        pictures = []
        for number, text in enumerate(texts):
            overlay = write_overlay(text, tmp_path, width_px=WIDTH, height_px=HEIGHT, name=f"t{number}")
            grey = graph.input(f"color=c=gray:s={WIDTH}x{HEIGHT}:r=25:d={1 + number}", f="lavfi").video
            pictures.append(draw_one(grey, overlay) if overlay else grey)
        joined = graph.filter(pictures, "vstack", inputs=len(pictures)).output(
            "pipe:", format="rawvideo", pix_fmt="gray", vframes=1
        )
        raw = run([*start(), *joined.get_args()], timeout_s=60, cwd=tmp_path).stdout
        size = WIDTH * HEIGHT
        return [raw[at : at + size] for at in range(0, len(raw), size)]

    return draw


@pytest.mark.slow
def test_no_text_of_the_corpus_breaks_the_filter(frames, monkeypatch):
    one = fonts.font_file("plain")  # which font draws a text is not what is tested here
    monkeypatch.setattr("providers.media.overlay.font_file", lambda _: one)
    assert len(CORPUS) >= 100
    for at in range(0, len(CORPUS), 20):
        texts = CORPUS[at : at + 20]
        blank, *shown = frames(["", *texts])
        assert len(shown) == len(texts)
        for text, picture in zip(texts, shown, strict=True):
            visible = any(sign.isascii() and sign.isalnum() for sign in text)
            assert (picture != blank) or not visible, repr(text)


@pytest.mark.slow
def test_every_picture_is_that_of_the_very_text(frames):
    """The reference takes the other road: the text inside the filter, escaped by the graph compiler."""
    texts = ["a:b", "it's", "a\\b", "%{pts}", "100%", "[in]", "a;b,c=d", '"q"', "\\:\\'", "textfile=x", "{x}", "a\\Nb"]

    class AsArgument:
        def __init__(self, stream, text):
            self.stream, self.text = stream, text

        def filter(self, name, *, textfile, **options):
            return AsArgument(self.stream.filter(name, text=self.text, **options), self.text)

    asked = iter(texts)
    reference = frames(texts, lambda stream, overlay: drawn(AsArgument(stream, next(asked)), overlay).stream)
    shown = frames(texts)
    for text, ours, other in zip(texts, shown, reference, strict=True):
        assert ours == other, text
    assert len(set(shown)) == len(texts), "each text has a picture of its own"


@pytest.mark.slow
def test_a_text_drawn_in_a_segment_is_in_its_video(make_clip, tmp_path):
    clip = make_clip("clip.mp4", seconds=0.08, size="96x64", source="color=c=gray")
    overlay = write_overlay("it's 100%: \\[x]", tmp_path, width_px=WIDTH, height_px=HEIGHT)
    job = Segment(clip=FittedClip(path=clip, frames=1, slowed=1.0), frames=1, overlay=overlay)
    write_segment(job, tmp_path / "out.mp4", frame=Frame(width=WIDTH, height=HEIGHT, fps=25))
    decode(tmp_path / "out.mp4")
    grey = ["-pix_fmt", "gray", "-f", "rawvideo", "pipe:1"]
    assert max(ffmpeg([*input_args(tmp_path / "out.mp4"), *grey], timeout_s=10).stdout) > 200


def test_long_text_ends_in_an_ellipsis_and_lines_keep_their_breaks():
    lines = fitted("word " * 1000, 30)
    assert len(lines) == MAX_LINES
    assert lines[-1].endswith("…")
    assert all(len(line) <= 30 for line in lines)
    assert fitted("one\ntwo\n\nthree", 30) == ["one", "two", "three"]
    assert all(plain(line) == line for line in lines)


def test_a_missing_font_names_the_language_and_the_package(monkeypatch):
    monkeypatch.setattr(fonts, "has_font", lambda code: code not in ("ja", "zh-cn"))
    with pytest.raises(FontMissing, match=r"No font for Japanese.*fonts-noto-cjk"):
        require_fonts("Bees 蜂 are great", language="ja")
    with pytest.raises(FontMissing, match="No font for Chinese"):
        require_fonts("蜂", language="zh")
    require_fonts("Bees, пчёлы and 🐝: 100 %", language="en")


def test_fontconfig_is_asked_about_the_script(monkeypatch):
    fonts.has_font.cache_clear()
    assert fonts.has_font("en")
    assert not fonts.has_font("zz-nosuchlanguage")
    monkeypatch.setattr(fonts.shutil, "which", lambda name: None)
    fonts.has_font.cache_clear()
    assert fonts.has_font("zz-nosuchlanguage"), "without fontconfig nothing can be said"
    fonts.has_font.cache_clear()
