from __future__ import annotations

from datetime import timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone

from jobs.templatetags import vidbatch


@pytest.mark.parametrize(
    ("micro", "words"),
    [(0, "$0.00"), (840_000, "$0.84"), (60_000_000, "$60.00"), (1_234_560_000, "$1,234.56"), (2_100, "$0.0021")]
    + [(-110_000, "−$0.11"), (None, "—"), ("", "—"), (1, "$0.000001"), (150_000_000_000, "$150,000")],
)
def test_money_reads_as_dollars_and_shows_the_smallest_amounts(micro, words):
    assert vidbatch.money(micro) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (2.44, "2.4 s"),
        (48, "48 s"),
        (59.7, "1 m 00 s"),
        (161, "2 m 41 s"),
        (7_800, "2 h 10 m"),
        (None, "—"),
    ],
)
def test_durations_read_as_people_say_them(seconds, words):
    assert vidbatch.duration(seconds) == words


@pytest.mark.parametrize(("number", "words"), [(47, "47"), (118_200, "118k"), (2_500_000, "2.5M"), (4_000, "4,000")])
def test_long_numbers_are_shortened(number, words):
    assert vidbatch.short_number(number) == words


@pytest.mark.parametrize(
    ("past", "words"), [(2, "just now"), (41, "41 s ago"), (150, "2 min ago"), (90_000, "yesterday")]
)
def test_a_moment_reads_as_its_distance(past, words):
    assert vidbatch.ago(timezone.now() - timedelta(seconds=past)) == words


def test_a_bar_fills_its_width_and_shows_even_one_failure_among_a_thousand():
    bar = vidbatch.segmented_bar("Images", done=999, failed=1)
    widths = [float(segment["width"]) for segment in bar["segments"]]
    assert sum(widths) == pytest.approx(100, abs=0.01)
    assert min(widths) >= 2.5
    assert bar["text"] == "Images: 999 done, 1 failed"


def test_a_bar_of_nothing_says_so():
    assert vidbatch.segmented_bar("Clips", done=0) == {"segments": [], "text": "Clips: nothing planned yet"}


def test_a_state_it_does_not_know_is_shown_in_its_own_word():
    html = Template("{% load vidbatch %}{% state_chip 'held_back' %}").render(Context())
    assert "Held back" in html


def test_text_of_a_person_is_escaped_in_components():
    html = Template('{% load vidbatch %}{% include "components/_item_row.html" with title=title url="/" %}').render(
        Context({"title": "<script>alert(1)</script>"})
    )
    assert "<script>" not in html
