from __future__ import annotations

import pytest

from jobs.intake.rules import Offered, RowState, check_rows, cleaned, topic_key
from jobs.intake.table import SourceRow

OFFERED = Offered(language="en", voices={"en": ("Ada", "Ben"), "de": ("Eva",), "pt-br": ("Rui",)})
COLUMNS = {"topic": 0, "notes": 1, "language": 2, "voice": 3, "seconds": 4, "aspect_ratio": 5, "scenes": 6}


def rows_of(*rows):
    return [SourceRow(number=number, cells=tuple(cells)) for number, cells in enumerate(rows, start=1)]


def check(*rows, earlier=None, columns=COLUMNS):
    return check_rows(rows_of(*rows), columns=columns, offered=OFFERED, earlier=earlier or {})


def one(**cells):
    return check([cells.get(name, "") for name in COLUMNS])[0]


def test_a_full_row_is_ready_with_its_overrides():
    row = one(
        topic=" Why bread  rises ",
        notes="slow",
        language="de",
        voice="eva",
        seconds="45",
        aspect_ratio="9:16",
        scenes="6",
    )
    assert row.state == RowState.READY
    assert (row.topic, row.notes) == ("Why bread rises", "slow")
    assert row.overrides == {"language": "de", "voice": "Eva", "seconds": 45, "aspect_ratio": "9:16", "scenes": 6}


def test_empty_cells_override_nothing():
    assert one(topic="Bread").overrides == {}


def test_another_language_does_not_keep_the_voice_of_the_project():
    assert one(topic="Brot", language="de").overrides == {"language": "de", "voice": ""}


@pytest.mark.parametrize(
    ("field", "value", "stands"),
    [
        ("seconds", "5", 5),
        ("seconds", "180", 180),
        ("seconds", "45 s", 45),
        ("seconds", "45s", 45),
        ("seconds", "45.0", 45),
        ("seconds", "45,0", 45),
        ("seconds", "30 Sekunden", 30),
        ("scenes", "1", 1),
        ("scenes", "20", 20),
        ("scenes", "4.0", 4),
        ("aspect_ratio", "16:9", "16:9"),
        ("aspect_ratio", "16x9", "16:9"),
        ("aspect_ratio", "9/16", "9:16"),
        ("aspect_ratio", "16:09:00", "16:9"),
        ("aspect_ratio", "01:01", "1:1"),
        ("aspect_ratio", "Portrait", "9:16"),
        ("language", "EN", "en"),
        ("language", "de-AT", "de"),
        ("language", "pt_BR", "pt-br"),
        ("language", "German", "de"),
        ("language", "Inglés", "en"),
        ("voice", "BEN", "Ben"),
    ],
)
def test_values_are_understood_in_the_ways_people_write_them(field, value, stands):
    row = one(topic="Bread", **{field: value})
    assert (row.state, row.overrides[field]) == (RowState.READY, stands)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("topic", "", "Topic: is empty. Write what the video is about."),
        ("topic", "\u200b \ufeff", "Topic “\u200b \ufeff”: is empty. Write what the video is about."),
        ("topic", "🍞🔥", "Topic “🍞🔥”: has no letter and no digit. Say in words what the video is about."),
        ("topic", "?!…", "Topic “?!…”: has no letter and no digit. Say in words what the video is about."),
        ("topic", "#REF!", "Topic “#REF!”: is an error of the spreadsheet. Write the text itself."),
        ("seconds", "900", "Length (s) “900”: length must be 5–180 s, as a whole number."),
        ("seconds", "4", "Length (s) “4”: length must be 5–180 s, as a whole number."),
        ("seconds", "-30", "Length (s) “-30”: length must be 5–180 s, as a whole number."),
        ("seconds", "45.5", "Length (s) “45.5”: length must be 5–180 s, as a whole number."),
        ("seconds", "1e309", "Length (s) “1e309”: length must be 5–180 s, as a whole number."),
        ("seconds", "NaN", "Length (s) “NaN”: length must be 5–180 s, as a whole number."),
        ("seconds", "9" * 400, f"Length (s) “{'9' * 59}…”: length must be 5–180 s, as a whole number."),
        ("scenes", "0", "Scenes “0”: must be 1–20, as a whole number."),
        ("scenes", "21", "Scenes “21”: must be 1–20, as a whole number."),
        ("scenes", "four", "Scenes “four”: must be 1–20, as a whole number."),
        ("aspect_ratio", "4:3", "Aspect ratio “4:3”: must be one of 16:9, 9:16, 1:1."),
        ("language", "Klingon", "Language “Klingon”: has no voice here. Use one of de, en, pt-br."),
        ("voice", "Eva", "Voice “Eva”: is no voice for the language en. Use one of Ada, Ben."),
    ],
)
def test_a_cell_that_breaks_a_rule_is_named_with_its_value_and_the_rule(field, value, sentence):
    row = one(**{"topic": "Bread", field: value})
    assert row.state == RowState.FIX
    assert row.reason == sentence


def test_a_topic_of_5000_characters_is_refused_with_its_length():
    row = one(topic="x" * 5000)
    assert "has 5,000 characters. At most 500 are allowed; move details to the notes." in row.reason
    assert len(row.reason) < 200


def test_every_broken_cell_of_a_row_is_named():
    row = one(topic="", seconds="900", scenes="99")
    assert [broken.field for broken in row.broken] == ["topic", "seconds", "scenes"]


def test_an_unknown_language_is_not_also_blamed_on_the_voice():
    assert [broken.field for broken in one(topic="Bread", language="xx", voice="Ada").broken] == ["language"]


def test_the_second_of_two_equal_topics_is_a_duplicate_of_the_first():
    rows = check(["Why bread rises"], ["Tides"], ["  why BREAD\u00a0rises?"])
    assert [row.state for row in rows] == [RowState.READY, RowState.READY, RowState.TWIN]
    assert rows[2].reason == "Duplicate of row 1."


def test_a_row_that_needs_a_fix_makes_no_other_row_a_duplicate():
    rows = check(["Bread", "", "", "", "900"], ["Bread"])
    assert [row.state for row in rows] == [RowState.FIX, RowState.READY]


def test_the_same_topic_in_another_language_or_shape_is_another_video():
    rows = check(["Bread"], ["Bread", "", "de"], ["Bread", "", "", "", "", "9:16"], ["Bread", "", "", "", "30"])
    assert [row.state for row in rows] == [RowState.READY, RowState.READY, RowState.READY, RowState.TWIN]


def test_a_topic_of_an_earlier_batch_names_that_batch():
    (row,) = check(["Bread."], earlier={"bread": "Spring"})
    assert (row.state, row.reason) == (RowState.EARLIER, "Already made in the batch “Spring”.")


def test_the_key_of_a_topic_ignores_what_no_viewer_would_notice():
    assert topic_key("ＢＲＥＡＤ\u200d ") == topic_key("bread!") == "bread"
    assert topic_key("Straße") == topic_key("STRASSE")


def test_cleaning_keeps_one_line_and_no_control_characters():
    assert cleaned("a\tb\r\nc\x00\x1b\u202ed\u2066") == "a b c d"


def test_every_row_of_a_long_list_is_checked():
    rows = rows_of(
        *([f"Why bread №{n} rises – ünïcode", "notes", "de", "Eva", "45", "16:9", "4"] for n in range(10_000))
    )
    checked = check_rows(rows, columns=COLUMNS, offered=OFFERED, earlier={})
    assert [row.state for row in checked] == [RowState.READY] * 10_000
