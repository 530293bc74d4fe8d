"""Text lists as people and programs save them, each with the topics it holds or the sentence it is refused with."""

from __future__ import annotations

import codecs

import pytest

from jobs.intake.columns import guess
from jobs.intake.reading import read_paste, read_upload
from jobs.intake.rules import Offered, check_rows
from jobs.intake.table import IntakeError

OFFERED = Offered(language="en", voices={"en": ("Ada", "Ben"), "de": ("Eva",), "es": ("Sol",), "fr": ("Luc",)})


def checked(table):
    mapped = guess(table)
    header, body = (table.rows[0], table.rows[1:]) if mapped.has_header else (None, table.rows)
    return check_rows(body, columns=mapped.columns, offered=OFFERED, earlier={}, header=header)


def topics(table):
    return [row.topic for row in checked(table)]


READABLE = {
    "plain lines": ("a.txt", b"Why bread rises\nTides\n", ["Why bread rises", "Tides"]),
    "windows lines": ("a.txt", b"Bread\r\nTides\r\n", ["Bread", "Tides"]),
    "old mac lines": ("a.txt", b"Bread\rTides\r", ["Bread", "Tides"]),
    "mixed newlines": ("a.csv", b"topic\r\nBread\nTides\rLocks", ["Bread", "Tides", "Locks"]),
    "commas in lines stay text": ("a.txt", b"Bread, wine, cheese\n", ["Bread, wine, cheese"]),
    "quotes in lines stay text": ("a.txt", b'"Bread" is open\n"never closed\n', ['"Bread" is open', '"never closed']),
    "tabs in lines are cells": ("a.txt", b"topic\tseconds\nBread\t30\n", ["Bread"]),
    "blank lines between": ("a.txt", b"\n\nBread\n\n  \nTides\n", ["Bread", "Tides"]),
    "comma": ("a.csv", b"topic,seconds\nBread,30\nTides,45\n", ["Bread", "Tides"]),
    "semicolon": ("a.csv", b"topic;seconds\nBread;30\n", ["Bread"]),
    "tab": ("a.csv", b"topic\tseconds\nBread\t30\n", ["Bread"]),
    "tsv": ("a.tsv", b"topic\tseconds\nBread, and wine\t30\n", ["Bread, and wine"]),
    "semicolon with commas inside": (
        "a.csv",
        b"topic;notes\nBread, wine;a, b, c\nTides, ebb;d\n",
        ["Bread, wine", "Tides, ebb"],
    ),
    "comma with semicolons inside": ("a.csv", b"topic,notes\nBread; wine,a; b\n", ["Bread; wine"]),
    "decimal commas under semicolons": ("a.csv", b"Thema;Dauer\nBrot;30,0\nEbbe;45,0\n", ["Brot", "Ebbe"]),
    "one column, commas unquoted": ("a.csv", b"topic\nBread, wine, cheese\nTides\n", ["Bread, wine, cheese", "Tides"]),
    "one column, commas quoted": ("a.csv", b'topic\n"Bread, wine"\nTides\n', ["Bread, wine", "Tides"]),
    "no header": ("a.csv", b"Why bread rises,30\nTides of the sea,45\n", ["Why bread rises", "Tides of the sea"]),
    "no header, numbers first": (
        "a.csv",
        b"30,Why bread rises\n45,Tides of the sea\n",
        ["Why bread rises", "Tides of the sea"],
    ),
    "no header, one column": ("a.csv", b"Why bread rises\nTides\n", ["Why bread rises", "Tides"]),
    "header in capitals": ("a.csv", b"TOPIC,SECONDS\nBread,30\n", ["Bread"]),
    "header with spaces and brackets": ("a.csv", b" Topic ,Duration (seconds)\nBread,30\n", ["Bread"]),
    "german header": ("a.csv", "Thema;Länge;Sprache\nBrot;30;de\n".encode(), ["Brot"]),
    "spanish header": ("a.csv", "Título;Duración;Idioma\nPan;30;es\n".encode(), ["Pan"]),
    "french header": ("a.csv", "Sujet;Durée;Langue\nPain;30;fr\n".encode(), ["Pain"]),
    "topic is not first": ("a.csv", b"seconds,notes,topic\n30,x,Bread\n", ["Bread"]),
    "doubled heading: the first counts": ("a.csv", b"topic,topic\nBread,Wine\n", ["Bread"]),
    "unknown columns are left aside": ("a.csv", b"id,topic,owner\n7,Bread,Ana\n", ["Bread"]),
    "short rows": ("a.csv", b"topic,notes,seconds\nBread\nTides,x\n", ["Bread", "Tides"]),
    "empty cells at the end": ("a.csv", b"topic,notes,,,,\nBread,x,,,,\n", ["Bread"]),
    "thirty empty columns": ("a.csv", b"topic" + b"," * 30 + b"\nBread" + b"," * 30 + b"\n", ["Bread"]),
    "quoted newline": ("a.csv", b'topic,seconds\n"Bread\nand wine",30\n', ["Bread and wine"]),
    "doubled quotes": ("a.csv", b'topic,seconds\n"The ""best"" bread",30\n', ['The "best" bread']),
    "text after a closing quote": ("a.csv", b'topic,seconds\n"Bread" is good,30\n', ["Bread is good"]),
    "quote inside a word": ("a.csv", b'topic,seconds\n5" nails,30\n', ['5" nails']),
    "utf-8": ("a.csv", "topic\nBrötchen für alle\n".encode(), ["Brötchen für alle"]),
    "utf-8 with a mark": ("a.csv", "topic\nBrötchen\n".encode("utf-8-sig"), ["Brötchen"]),
    "a mark before a quoted heading": ("a.csv", '"topic","seconds"\nBrot,30\n'.encode("utf-8-sig"), ["Brot"]),
    "utf-16 little": (
        "a.csv",
        codecs.BOM_UTF16_LE + "topic\tseconds\nBrötchen\t30\n".encode("utf-16-le"),
        ["Brötchen"],
    ),
    "utf-16 big": ("a.csv", codecs.BOM_UTF16_BE + "topic\nBrötchen\n".encode("utf-16-be"), ["Brötchen"]),
    "utf-32": ("a.txt", "Brötchen\n".encode("utf-32"), ["Brötchen"]),
    "cp1252": ("a.csv", "topic\nBrötchen – für 5 €\n".encode("cp1252"), ["Brötchen – für 5 €"]),
    "cp1252 curly quotes": ("a.txt", "“Bread” isn’t cake\n".encode("cp1252"), ["“Bread” isn’t cake"]),
    "right-to-left text": ("a.txt", "למה לחם תופח\n".encode(), ["למה לחם תופח"]),
    "direction marks are taken out": ("a.txt", "\u202eBread\u202c rises\u200f\n".encode(), ["Bread rises"]),
    "zero-width spaces are taken out": ("a.txt", "Br\u200bead\ufeff\n".encode(), ["Bread"]),
    "joined emoji stay": ("a.txt", "Family 👨‍👩‍👧 dinner\n".encode(), ["Family 👨‍👩‍👧 dinner"]),
    "japanese": ("a.txt", "パンはなぜ膨らむのか\n".encode(), ["パンはなぜ膨らむのか"]),
    "decomposed accents": ("a.txt", "Bro\u0308tchen\n".encode(), ["Brötchen"]),
    "control characters": ("a.txt", b"Bread\x07 and\x1b wine\n", ["Bread and wine"]),
    "exported formula guard": (
        "a.csv",
        b"topic\n'=SUM of all bread\n'-5 degrees\n",
        ["=SUM of all bread", "-5 degrees"],
    ),
    "a formula is text": ("a.csv", b'topic,notes\n"=HYPERLINK(""http://x"")",@x\n', ['=HYPERLINK("http://x")']),
    "quotes, colons, percent signs, brackets": (
        "a.txt",
        b"50% off: {\"a\"} [b] 'c' \\ %{pts} ;|\n",
        ["50% off: {\"a\"} [b] 'c' \\ %{pts} ;|"],
    ),
    "markup is text": ("a.txt", b"<script>alert(1)</script>\n", ["<script>alert(1)</script>"]),
    "500 characters": ("a.txt", b"x" * 500, ["x" * 500]),
    "no newline at the end": ("a.csv", b"topic\nBread", ["Bread"]),
    "name in capitals": ("TOPICS.CSV", b"topic\nBread\n", ["Bread"]),
    "a number is a topic": ("a.txt", b"1984\n", ["1984"]),
    "zip signature later in the text": ("a.txt", b"How PK\x20works\n", ["How PK works"]),
}


@pytest.mark.parametrize("name", READABLE)
def test_a_list_is_read_as_its_author_meant_it(name):
    filename, content, expected = READABLE[name]
    assert topics(read_upload(filename, content)) == expected


REFUSED = {
    "0 bytes": ("a.csv", b"", "a.csv is empty: it has no bytes at all."),
    "only spaces": ("a.csv", b"  \n \t \n", "a.csv holds no topics: put one topic on each line."),
    "only commas": ("a.csv", b",,,\n,,,\n", "a.csv holds no topics"),
    "only a mark": ("a.txt", codecs.BOM_UTF8, "a.txt holds no topics"),
    "NUL": ("a.csv", b"topic\nBre\0ad\n", "a.csv, row 2 holds a NUL byte"),
    "utf-16 without a mark": ("a.csv", "topic\nBread\n".encode("utf-16-le"), "a.csv, row 1 holds a NUL byte"),
    "cut utf-16": ("a.csv", codecs.BOM_UTF16_LE + b"t\0o", "a.csv, row 1 holds bytes that are neither UTF-8"),
    "utf-16 NUL": ("a.txt", codecs.BOM_UTF16_LE + "Bre\0ad".encode("utf-16-le"), "a.txt, row 1, column A holds a NUL"),
    "neither utf-8 nor cp1252": ("a.txt", b"Bread\nTides \x81\n", "a.txt, row 2 holds bytes that are neither UTF-8"),
    "one broken byte in utf-8": ("a.txt", "Brötchen für\nÖl\n".encode() + b"x\xff\n", "a.txt, row 3 holds bytes"),
    "quote open to the end": (
        "a.csv",
        b'topic,seconds\nBread,30\n"Tides,45\nLocks,10\n',
        'a.csv, row 3: a quote (") is opened and never closed',
    ),
    "quote open, single column": ("a.csv", b'topic\nBread\n"Tides\nLocks\n', 'a.csv, row 3: a quote (")'),
    "quote open over a huge rest": (
        "a.csv",
        b'topic,seconds\n"Bread,30\n' + b"Tides,45\n" * 20_000,
        'a.csv, row 2: a quote (")',
    ),
    "1 MB cell": ("a.txt", b"Bread\n" + b"x" * 2**20, "a.txt, row 2, column A holds more than 8,000 characters"),
    "long cell in a table": (
        "a.csv",
        b"topic,notes\nBread," + b"x" * 8001,
        "a.csv, row 2, column B holds more than 8,000",
    ),
    "10 MB of one line": ("a.txt", b"x" * (10 * 2**20), "a.txt has 10.0 MB, and at most 5 MB can be read"),
    "100,000 rows": ("a.csv", b"topic\n" + b"Bread\n" * 100_000, "a.csv has more than 10,000 rows: split it"),
    "21 columns": ("a.csv", b"topic" + b",x" * 20, "a.csv, row 1 has more than 20 columns"),
    "binary named .csv": ("a.csv", bytes(range(256)) * 4, "a.csv, row 1 holds a NUL byte"),
    "png named .csv": ("a.csv", b"\x89PNG\r\n\x1a\nabc", "a.csv is not a text file inside"),
    "pdf named .txt": ("a.txt", b"%PDF-1.7\n", "a.txt is not a text file inside"),
    "workbook named .csv": ("a.csv", b"PK\x03\x04abc", "a.csv is an archive or a workbook inside: rename it to .xlsx"),
    "old workbook named .csv": ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.csv is not a text file inside"),
    "web page named .csv": ("a.csv", b"\n<!DOCTYPE html><html></html>", "a.csv is a web page inside"),
    "gzip named .csv": ("a.csv", b"\x1f\x8b\x08abc", "a.csv is not a text file inside"),
    "old workbook": (
        "a.xls",
        b"abc",
        "a.xls is of a kind that cannot be read (.xls): save the list as CSV, TXT or XLSX",
    ),
    "no ending": ("topics", b"abc", "topics is of a kind that cannot be read (no ending)"),
    "a script": ("a.php", b"<?php", "a.php is of a kind that cannot be read (.php)"),
    "a path as name": ("../../etc/a.csv", b"", "a.csv is empty"),
    "a windows path as name": ("C:\\lists\\a.csv", b"", "a.csv is empty"),
    "a name with a turned direction": ("a\u202evsc.csv", b"", "avsc.csv is empty"),
    "a name with newlines": ("a\nb.csv", b"", "ab.csv is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_place_and_remedy(name):
    filename, content, sentence = REFUSED[name]
    with pytest.raises(IntakeError) as refused:
        read_upload(filename, content)
    assert str(refused.value).startswith(sentence)
    assert ":" in str(refused.value) or "Save" in str(refused.value)  # a remedy follows


def test_a_very_long_file_name_is_shortened_in_the_sentence():
    with pytest.raises(IntakeError) as refused:
        read_upload("x" * 300 + ".csv", b"")
    assert len(str(refused.value)) < 250


def test_a_header_alone_leaves_no_rows():
    table = read_upload("a.csv", b"topic,seconds\n")
    assert guess(table).has_header
    assert checked(table) == []


def test_a_row_with_more_cells_than_headings_is_no_silent_loss():
    (row,) = checked(read_upload("a.csv", b"topic,notes\nBread, wine, cheese\n"))
    assert row.reason == "This row has 3 cells under 2 headings. Put text that holds the separator in quotes."


def test_headings_repeated_in_the_middle_are_no_topic():
    rows = checked(read_upload("a.csv", b"topic,seconds\nBread,30\ntopic,seconds\nTides,30\n"))
    assert [row.reason for row in rows] == ["", "This row repeats the headings. Leave it out.", ""]


def test_ten_thousand_rows_and_a_header_are_accepted():
    table = read_upload("a.csv", b"topic\n" + b"".join(b"Bread number %d\n" % n for n in range(10_000)))
    assert len(checked(table)) == 10_000


def test_row_numbers_count_blank_lines_as_a_spreadsheet_does():
    table = read_upload("a.csv", b"topic,seconds\n\nBread,30\n,,\nTides,900\n")
    assert [row.number for row in checked(table)] == [3, 5]


def test_a_pasted_list_is_one_topic_a_line():
    assert topics(read_paste("\ufeffBread, and wine\r\n\r\nTides")) == ["Bread, and wine", "Tides"]


def test_cells_pasted_from_a_spreadsheet_stay_cells():
    rows = checked(read_paste("Topic\tLength\nBread\t30\nTides\t\n"))
    assert [(row.topic, row.overrides) for row in rows] == [("Bread", {"seconds": 30}), ("Tides", {})]


@pytest.mark.parametrize("pasted", ["", "   \n\t\n"])
def test_an_empty_paste_says_what_to_do(pasted):
    with pytest.raises(IntakeError, match="The pasted list holds no topics: put one topic on each line."):
        read_paste(pasted)


def test_a_paste_with_a_nul_is_refused():
    with pytest.raises(IntakeError, match="The pasted list, row 2, column A holds a NUL character"):
        read_paste("Bread\nTi\0des")


def test_a_paste_of_ten_megabytes_is_refused():
    with pytest.raises(IntakeError, match="The pasted list has 10.0 MB"):
        read_paste("x" * 10 * 2**20)
