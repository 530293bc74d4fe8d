from __future__ import annotations

import pysubs2
import pytest

from providers.media.captions import cues, write_ass, write_srt, write_vtt
from providers.media.wrapping import plain, width, wrap

LONG = (
    "Did you know that honey bees can count? Patient researchers have shown it again and again, with sugar water, "
    "coloured cards and a maze, which the insects solved for a reward. Wow! They even know nothing: zero."
)


def test_every_word_is_shown_once_and_in_order():
    shown = " ".join(line for cue in cues(LONG, start_s=0, duration_s=12) for line in cue.lines)
    assert shown == LONG


@pytest.mark.parametrize("columns", [26, 32, 42])
def test_cues_have_at_most_two_lines_of_the_given_width(columns):
    for cue in cues(LONG + " " + "x" * 100, start_s=0, duration_s=12, columns=columns):
        assert 1 <= len(cue.lines) <= 2
        assert all(width(line) <= columns for line in cue.lines)


def test_cues_fill_the_spoken_time_without_gaps_or_overlaps():
    placed = cues(LONG, start_s=3, duration_s=12)
    assert placed[0].start_s == 3
    assert placed[-1].end_s == pytest.approx(15)
    assert all(before.end_s == after.start_s for before, after in zip(placed, placed[1:], strict=False))
    assert min(cue.end_s - cue.start_s for cue in placed) > 0.4


def test_text_without_spaces_breaks_between_signs_and_wide_signs_count_two():
    japanese = "蜂は数を数えることができます。研究者たちは何度もそれを示しました。" * 2
    placed = cues(japanese, start_s=0, duration_s=9)
    assert "".join("".join(cue.lines) for cue in placed).replace(" ", "") == japanese
    assert all(width(line) <= 42 for cue in placed for line in cue.lines)


def test_no_narration_gives_no_cues(tmp_path):
    assert cues(" \n\t ", start_s=0, duration_s=2) == []
    write_srt(tmp_path / "a.srt", [])
    write_vtt(tmp_path / "a.vtt", [])
    assert (tmp_path / "a.vtt").read_text().startswith("WEBVTT")


def test_signs_with_a_meaning_in_a_format_stay_text(tmp_path):
    nasty = r"{\p1}m 0 0{x} <b>&amp; --> a\Nb"
    placed = cues(nasty, start_s=0, duration_s=2)
    write_srt(tmp_path / "a.srt", placed)
    write_vtt(tmp_path / "a.vtt", placed)
    write_ass(tmp_path / "a.ass", placed, width_px=640, height_px=360)
    srt = (tmp_path / "a.srt").read_text().replace("\u2060", "")
    assert nasty in srt
    vtt = (tmp_path / "a.vtt").read_text()
    assert "&lt;b&gt;&amp;amp; --&gt; a" in vtt
    (event,) = pysubs2.load(str(tmp_path / "a.ass")).events
    assert "{\\" not in event.text.replace("\\{", "")
    assert "\\N" not in event.text


def test_times_in_srt_are_those_of_the_cues(tmp_path):
    write_srt(tmp_path / "a.srt", cues("One short line.", start_s=61.5, duration_s=2.25))
    assert "00:01:01,500 --> 00:01:03,750\nOne short line." in (tmp_path / "a.srt").read_text()


def test_plain_drops_control_signs_and_lone_surrogates_but_keeps_joiners():
    assert plain("a\0b\x1b[0m\n\tc\ud800 👩‍🚀") == "ab[0m c? 👩‍🚀"


def test_a_combining_mark_stays_with_its_letter():
    assert wrap("e\u0301" * 10, 4) == ["e\u0301" * 4, "e\u0301" * 4, "e\u0301" * 2]
