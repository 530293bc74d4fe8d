from __future__ import annotations

import pytest

from jobs.intake.columns import FIELDS, folded, guess, recognised
from jobs.intake.table import SourceRow, Table, letter


def table(*rows):
    return Table(
        source_name="a.csv",
        rows=tuple(SourceRow(number=n, cells=tuple(cells)) for n, cells in enumerate(rows, start=1)),
    )


@pytest.mark.parametrize(
    "headings",
    [
        ("Topic", "Notes", "Language", "Voice", "Seconds", "Aspect ratio", "Scenes"),
        ("Thema", "Notizen", "Sprache", "Stimme", "Länge", "Seitenverhältnis", "Szenen"),
        ("Título", "Notas", "Idioma", "Voz", "Duración", "Relación de aspecto", "Escenas"),
        ("Sujet", "Remarques", "Langue", "Voix", "Durée", "Format", "Scènes"),
        FIELDS,
    ],
)
def test_headings_of_four_languages_and_our_own_names_are_recognised(headings):
    assert recognised(headings) == {field: column for column, field in enumerate(FIELDS)}


def test_accents_case_and_units_in_brackets_do_not_matter():
    assert folded("  LÄNGE (Sekunden) ") == "lange"


def test_a_list_that_starts_with_a_topic_has_no_header():
    mapped = guess(table(["Why bread rises", "30"], ["Tides of the sea", "45"]))
    assert not mapped.has_header
    assert mapped.columns == {"topic": 0, "seconds": 1}


def test_without_a_header_columns_are_guessed_from_their_values():
    mapped = guess(table(["9:16", "de", "4", "Why bread rises"], ["1:1", "en", "5", "Tides of the sea"]))
    assert mapped.columns == {"topic": 3, "aspect_ratio": 0, "language": 1, "scenes": 2}


def test_headings_without_a_topic_leave_the_first_column_of_words_to_it():
    mapped = guess(table(["Nr", "Was", "Dauer", "Szenen"], ["1", "Warum Brot aufgeht", "30", "4"]))
    assert mapped.has_header
    assert mapped.columns["topic"] == 1


def test_one_known_word_that_is_no_topic_heading_is_a_topic():
    assert not guess(table(["Language"], ["Why bread rises"])).has_header


def test_columns_are_named_as_in_a_spreadsheet():
    assert [letter(n) for n in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]
